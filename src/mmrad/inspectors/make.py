"""Make an inspector from the name a user gives."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mmrad.coordinates import CoordinateSpace
from mmrad.errors import DataError, MissingExtraError, UsageError
from mmrad.inspectors.base import InspectionSettings, Inspector
from mmrad.prompt import load_prompts
from mmrad.view import FACTOR, Budget

if TYPE_CHECKING:
    from mmrad.catalogue import Model
    from mmrad.endpoint import ResponseCache, Spending
    from mmrad.endpoint.model import ChatModel
    from mmrad.inspectors.experts.settings import ExpertSettings

NANO = "anomaly-r1-nano"
UNTRAINED = f"{NANO}-untrained"
BUNDLED = (NANO, UNTRAINED)

Provider = Literal["openai", "inspect", "vllm"]
Score = Literal["auto", "probability", "confidence", "none"]


def bundled_nano() -> Path:
    """Folder of the nano model that ships with the package.

    Raises:
        DataError: When the installation lacks it.
    """
    folder = Path(str(resources.files("mmrad").joinpath("weights", NANO)))
    if not (folder / "model.safetensors").exists():
        raise DataError(
            f"{folder}: the nano model is not there; train it with  mmrad train sft recipes/nano.toml"
        )
    return folder


def make_inspector(
    model: str,
    settings: InspectionSettings,
    *,
    name: str | None = None,
    base_urls: Sequence[str] = (),
    provider: Provider | None = None,
    catalogue_file: Path | None = None,
    score: Score = "auto",
    space: CoordinateSpace | None = None,
    max_pixels: int | None = None,
    max_tokens: int | None = None,
    temperature: float | None = None,
    batch_size: int = 16,
    concurrency: int = 16,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
    cache: ResponseCache | None = None,
    max_cost: float | Spending | None = None,
    batch_state: Path | None = None,
    expert: ExpertSettings | None = None,
    maps: Path | None = None,
    alpha: float = 0.05,
    feature_cache: Path | None = None,
) -> Inspector:
    """Make the inspector that `--model` names.

    The first that applies:

    1. A folder with an expert detector, see `mmrad.inspectors.experts.fit`. The name of a detector alone
       (`patchcore`) makes none: it has to be trained first.
    2. `anomaly-r1-nano` and `anomaly-r1-nano-untrained`: the bundled model, run by transformers.
    3. A model of the catalogue: as its entry says, at its vendor's endpoint or at `base_urls`, through
       inspect-ai, or with `provider="vllm"` its weights in this process. Its `space`, `max_pixels`,
       `max_tokens` and `temperature` replace those of `settings`; the arguments of the same names replace
       the entry's, and `Inspector.about()["overridden"]` keeps what they replaced. One of the backend `local`
       is run by a worker where the entry says that it is installed, see `mmrad.inspectors.anomalygpt`.
    4. With `provider="inspect"`: a model as inspect-ai names it, such as `anthropic/claude-sonnet-4-6`.
    5. With `base_urls`: a model of that endpoint.
    6. A folder with a model (with `provider="vllm"` also a name on a model hub): run by transformers or vLLM,
       in its family's convention, see `mmrad.inspectors.families`. What training put into its `mmrad.json`
       (prompts, size of views, length of answers) replaces everything else: it knows no other.

    Whom neither the catalogue nor `families` knows (4 and 5) is asked in `space`, else in that of `settings`,
    which is pixels of the view unless said otherwise.

    Args:
        model: The name.
        settings: How to ask where neither the model nor the arguments below say otherwise.
        name: Name of the run; `model`'s last part by default.
        base_urls: OpenAI-compatible endpoints of the same model, among which requests are shared out.
        provider: `inspect` (inspect-ai's providers) or `vllm` (in this process).
        catalogue_file: The user's own entries; by default those of the file that `MMRAD_MODELS` names.
        score: What the score is made of: the probability of Yes where the model is known to give it (`auto`),
            that or an error (`probability`), a confidence put in words, or nothing.
        space: Convention of its boxes.
        max_pixels: Largest area of a view.
        max_tokens: Limit of an answer.
        temperature: Sampling temperature.
        batch_size: Queries at once for a local model or an expert.
        concurrency: Requests at once, at all addresses together.
        requests_per_minute: Most requests a minute, at all addresses together; for endpoints only.
        tokens_per_minute: Most tokens a minute, read and written; for endpoints only.
        cache: Answers known before, and where new ones are kept; for endpoints only.
        max_cost: US dollars, or a `Spending` with what was spent before, which several inspectors may share.
        batch_state: Use the batch API, with this journal of batches; it belongs to one run.
        expert: Where an expert finds its backbone's weights, and its device; by default see `Expert.load`.
        maps: Folder in which the maps of an expert or of AnomalyGPT are kept; experts need it.
        alpha: The share of normal images that an expert may flag.
        feature_cache: Folder of feature maps of an expert's backbone; None for none.

    Raises:
        UsageError: When nothing above applies, or the arguments do not fit together or the model.
        DataError: When a file that it needs is unreadable.
        ProviderError: When a key is missing or a local model cannot be loaded.
        MissingExtraError: When a package is missing.
    """
    from mmrad.catalogue import chat_model, find_model
    from mmrad.inspectors.experts.expert import is_expert
    from mmrad.inspectors.experts.settings import DETECTORS

    if model in DETECTORS or is_expert(Path(model)):
        refuse_for_expert(
            model,
            {
                "--base-url": bool(base_urls),
                "--provider": provider is not None,
                "--score": score != "auto",
                "--space": space is not None,
                "--prompts": settings.prompts != load_prompts(),
                "limits and temperature of answers": (max_pixels, max_tokens, temperature) != (None,) * 3,
                "rate limits": (requests_per_minute, tokens_per_minute) != (None, None),
                "a response cache": cache is not None,
                "batches of a provider": batch_state is not None,
            },
        )
        return _make_expert(Path(model), expert, name, maps, alpha, batch_size, feature_cache)
    bundled = model in BUNDLED and not base_urls
    known = None if bundled else find_model(model, catalogue_file)
    choices = _Choices(space, max_pixels, max_tokens, temperature)
    settings = choices.over(settings, known)
    if score == "confidence":
        settings = replace(settings, confidence=True)
    common: dict[str, Any] = {"name": name or Path(model).name, "about": _about(known, choices)}
    if known and known.backend == "local" and not (provider or base_urls):
        if score == "probability" or batch_state:
            raise UsageError(f"{model}: its score is its map's maximum, and it knows no batches")
        return _make_anomalygpt(known, settings, choices, maps, common["name"])
    if bundled or provider == "vllm" or not (known or provider or base_urls):
        if cache is not None or batch_state or base_urls or provider in ("openai", "inspect"):
            raise UsageError(
                f"{model}: runs on this machine; leave out --base-url, a --provider other than vllm, "
                "a response cache and batches"
            )
        common |= {"batch_size": batch_size, "logprobs": score in ("auto", "probability")}
        make = _make_vllm if provider == "vllm" else _make_local
        where = settings.space if known else space
        return make(known.api_model if known else model, settings, where, **common)
    reached = chat_model(model, known, provider=provider, base_urls=base_urls, concurrency=concurrency)
    chat = _paced(reached, requests_per_minute, tokens_per_minute)
    common["logprobs"] = _gives_probabilities(model, chat, known, score)
    return _make_chat(chat, settings, known, cache, max_cost, batch_state, **common)


def refuse_for_expert(model: str, given: Mapping[str, bool]) -> None:
    """Refuse what is for models of language only.

    Args:
        model: The expert.
        given: Options by name, and whether they were given.

    Raises:
        UsageError: When one was given.
    """
    options = [option for option, is_given in given.items() if is_given]
    if options:
        raise UsageError(
            f"{model} is an expert detector, which reads no prompt and writes no answer; "
            f"leave out {', '.join(options)}"
        )


def _make_expert(
    folder: Path,
    settings: ExpertSettings | None,
    name: str | None,
    maps: Path | None,
    alpha: float,
    batch_size: int,
    cache: Path | None,
) -> Inspector:
    from mmrad.inspectors.experts.expert import Expert, is_expert
    from mmrad.inspectors.experts.inspector import ExpertInspector

    if not is_expert(folder):
        raise UsageError(
            f"{folder} has to be trained first:  mmrad train expert CORPUS --model {folder} --out EXPERT; "
            "then give the folder EXPERT as the model"
        )
    if maps is None:
        raise UsageError(f"{folder} is an expert detector: say where its maps are kept (maps)")
    device = settings.device if settings else "auto"
    expert = Expert.load(folder, weights=settings.weights if settings else None, device=device)
    return ExpertInspector(expert, name=name, maps=maps, alpha=alpha, batch_size=batch_size, cache=cache)


@dataclass(frozen=True, slots=True)
class _Choices:
    """What a user says of the asking; None leaves it to the model's entry in the catalogue, then to mmrad."""

    space: CoordinateSpace | None = None
    max_pixels: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None

    def over(self, settings: InspectionSettings, known: Model | None) -> InspectionSettings:
        """The settings with what the entry says, and over it what the user says."""
        said = {name: getattr(self, name) for name in self.__slots__}
        found = {
            name: getattr(known, name) if value is None and known else value for name, value in said.items()
        }
        max_pixels = found.pop("max_pixels")
        if max_pixels is not None:
            smallest = min(settings.budget.min_pixels, max_pixels)
            found["budget"] = Budget(min_pixels=smallest, max_pixels=max_pixels)
        return replace(settings, **{name: value for name, value in found.items() if value is not None})

    def overridden(self, known: Model) -> dict[str, Any]:
        """What the entry says and the user replaced by something else."""
        pairs = {name: (getattr(self, name), getattr(known, name)) for name in self.__slots__}
        changed = {name: entry for name, (said, entry) in pairs.items() if said not in (None, entry)}
        return {
            name: entry.value if isinstance(entry, CoordinateSpace) else entry
            for name, entry in changed.items()
        }


def _about(known: Model | None, choices: _Choices) -> dict[str, Any]:
    """What tables say of a model of the catalogue."""
    if known is None:
        return {}
    overridden = choices.overridden(known)
    return {
        "title": known.title,
        **({"published": known.published} if known.published else {}),
        "box_source": known.box_source,
        **({"overridden": overridden} if overridden else {}),
    }


def _paced(chat: ChatModel, requests: float | None, tokens: float | None) -> ChatModel:
    from mmrad.endpoint import Endpoint

    if requests is None and tokens is None:
        return chat
    if not isinstance(chat, Endpoint):
        raise UsageError(f"{chat.model}: inspect-ai paces its requests itself; leave the rate limits out")
    return replace(chat, requests_per_minute=requests, tokens_per_minute=tokens)


def _gives_probabilities(model: str, chat: ChatModel, known: Model | None, score: Score) -> bool:
    """Whether to ask for the probabilities of tokens.

    Raises:
        UsageError: When the user wants them and the model is known to give none.
    """
    from mmrad.endpoint import Endpoint

    declared = known is not None and known.logprobs and "logprobs" not in known.rejects
    possible = isinstance(chat, Endpoint) and (declared or known is None)
    if score == "probability" and not possible:
        raise UsageError(
            f"{model}: gives no probabilities of tokens, as far as is known; ask for a confidence instead, "
            "or correct its entry in a file of your own (--models)"
        )
    return score == "probability" or (score == "auto" and declared and possible)


def _make_chat(
    chat: ChatModel,
    settings: InspectionSettings,
    known: Model | None,
    cache: ResponseCache | None,
    max_cost: float | Spending | None,
    batch_state: Path | None,
    **common: Any,
) -> Inspector:
    from mmrad.endpoint import Endpoint, Spending
    from mmrad.inspectors.batch import BatchInspector
    from mmrad.inspectors.chat_inspector import ChatInspector

    spending = max_cost if isinstance(max_cost, Spending) else Spending(max_cost)
    endpoint = chat if isinstance(chat, Endpoint) else None
    if endpoint is None and (cache is not None or batch_state):
        raise UsageError(f"{chat.model}: inspect-ai takes neither a response cache nor batches of mmrad")
    if endpoint and batch_state:
        if cache is not None:
            raise UsageError(f"{chat.model}: batches use no response cache; leave one of them out")
        return BatchInspector(endpoint, settings, state=batch_state, spending=spending, **common)
    rejects = known.rejects if known else ()
    return ChatInspector(chat, settings, rejects=rejects, cache=cache, spending=spending, **common)


def _make_local(
    model: str, settings: InspectionSettings, space: CoordinateSpace | None, **common: Any
) -> Inspector:
    folder = bundled_nano() if model in BUNDLED else Path(model)
    if not folder.is_dir():
        raise UsageError(
            f"no model {model!r}: give {NANO}, a model of the catalogue (see  mmrad models), a folder with a "
            "local model, --base-url for an endpoint that has it, or --provider inspect for a name of "
            "inspect-ai"
        )
    try:
        from mmrad.inspectors.local import LocalInspector
    except ImportError as error:
        raise MissingExtraError(error.name or "transformers", "local") from error
    return LocalInspector(
        folder, settings_beside(folder, settings), space=space, untrained=model == UNTRAINED, **common
    )


def _make_anomalygpt(
    known: Model, settings: InspectionSettings, choices: _Choices, maps: Path | None, name: str
) -> Inspector:
    from mmrad.inspectors.anomalygpt import AnomalyGptInspector, installation_of

    dropped = [what for what in choices.__slots__ if getattr(choices, what) is not None]
    about = {**_about(known, _Choices()), **({"dropped": dropped} if dropped else {})}
    return AnomalyGptInspector(installation_of(known), settings, name=name, about=about, maps=maps)


def _make_vllm(
    model: str, settings: InspectionSettings, space: CoordinateSpace | None, **common: Any
) -> Inspector:
    from mmrad.inspectors.vllm_local import VLLMInspector

    model = str(bundled_nano()) if model == NANO else model
    return VLLMInspector(model, settings_beside(model, settings), space=space, **common)


def settings_for(
    settings: InspectionSettings, *, prompts: str, max_pixels: int, max_tokens: int, reasoning: bool = True
) -> InspectionSettings:
    """The settings with what a recipe's `[asking]` table, or the `mmrad.json` made of it, says.

    A model trained without reasoning is never asked for any.
    """
    return replace(
        settings,
        reasoning=settings.reasoning and reasoning,
        prompts=load_prompts(prompts),
        budget=Budget(min_pixels=FACTOR * FACTOR, max_pixels=max_pixels),
        max_tokens=max_tokens,
    )


def settings_beside(folder: str | Path, settings: InspectionSettings) -> InspectionSettings:
    """The settings with what the `mmrad.json` that training put beside a model's weights says."""
    path = Path(folder) / "mmrad.json"
    if not path.exists():
        return settings
    try:
        asking: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return settings_for(settings, **asking)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{path}: unreadable ({error!r}); remove it to use the command's own settings"
        ) from error
