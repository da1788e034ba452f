"""Local models of several families, tiny and random, but with their real classes and processors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders import make_corpus
from mmrad.coordinates import CoordinateSpace
from mmrad.errors import ProviderError, UsageError
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.chat import encode
from mmrad.inspectors.local import LocalInspector
from mmrad.inspectors.plan import plan_of
from mmrad.sample import Pair

torch = pytest.importorskip("torch")

from transformers import LogitsProcessor, LogitsProcessorList  # noqa: E402

from tiny_models import FAMILIES, write_tiny  # noqa: E402

SPACES = {
    "qwen2_5_vl": CoordinateSpace.VIEW,
    "qwen3_vl": CoordinateSpace.THOUSAND,
    "internvl": CoordinateSpace.THOUSAND,
    "glm4v": CoordinateSpace.THOUSAND,
    "llama4": CoordinateSpace.THOUSAND,
    "gemma3": CoordinateSpace.THOUSAND_YX,
}
SETTINGS = InspectionSettings(max_tokens=60)


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    corpus = make_corpus(tmp_path / "corpus", 5)
    return corpus.pairs(corpus.samples)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {family: write_tiny(family, root / family) for family in FAMILIES}


class _Says(LogitsProcessor):
    """Leaves a model no choice but a text."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self.tokens = list(tokens)
        self.start: int | None = None

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        self.start = input_ids.shape[1] if self.start is None else self.start
        forced = torch.full_like(scores, -torch.inf)
        forced[:, self.tokens[input_ids.shape[1] - self.start]] = 0.0
        return forced


def made_to_say(inspector: LocalInspector, text: str, end: str = "<end>") -> list[dict[str, Any]]:
    """Let the model say a text and nothing else; what it is asked with is put into the list."""
    seen: list[dict[str, Any]] = []
    generate = inspector._model.generate
    tokenizer = inspector._processor.tokenizer
    tokens = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.convert_tokens_to_ids(end)]

    def forced(*, logits_processor: Any, **inputs: Any) -> Any:
        seen.append(inputs)
        steps = LogitsProcessorList([_Says(tokens), *logits_processor])
        return generate(logits_processor=steps, **inputs)

    inspector._model.generate = forced
    return seen


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_is_asked_and_read_in_its_own_convention(
    folders: dict[str, Path], pairs: list[Pair], family: str
) -> None:
    inspector = LocalInspector(folders[family], SETTINGS, batch_size=2)
    assert inspector.settings.space is SPACES[family]
    assert inspector.key()["space"] == SPACES[family].value
    text = "<answer>Yes. {'bbox_2d': [7, 14, 28, 42], 'label': 'dent'}</answer>"
    seen = made_to_say(inspector, text)
    verdicts = dict(inspector.inspect(pairs[:3]))
    assert [verdicts[index].raw_text for index in range(3)] == [text] * 3
    width, height = pairs[0].sample.size_wh
    _, view = SETTINGS.ask(pairs[0])
    expected = {
        CoordinateSpace.VIEW: (
            *(7 * width / view.size_wh[0], 14 * height / view.size_wh[1]),
            *(28 * width / view.size_wh[0], 42 * height / view.size_wh[1]),
        ),
        CoordinateSpace.THOUSAND: (0.007 * width, 0.014 * height, 0.028 * width, 0.042 * height),
        CoordinateSpace.THOUSAND_YX: (0.014 * width, 0.007 * height, 0.042 * width, 0.028 * height),
    }[SPACES[family]]
    assert verdicts[0].regions[0].box.xyxy == pytest.approx(expected)
    assert (verdicts[0].score, verdicts[0].score_kind) == (1.0, "probability")
    asked = inspector._processor.tokenizer.decode(seen[0]["input_ids"][0])
    wanted = inspector.settings.ask(pairs[0])[0][-1].parts[-1]
    assert wanted in asked
    assert asked.count("<bos>") == 1
    assert verdicts[0].usage.output_tokens is not None and verdicts[0].usage.input_tokens is not None


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_random_model_says_is_no_judgement(
    folders: dict[str, Path], pairs: list[Pair], family: str
) -> None:
    inspector = LocalInspector(folders[family], replace(SETTINGS, max_tokens=4), batch_size=3)
    verdicts = dict(inspector.inspect(pairs))
    assert sorted(verdicts) == [0, 1, 2, 3, 4]
    assert {verdict.status for verdict in verdicts.values()} <= {"truncated", "unparsed", "empty"}


def test_any_of_a_model_s_ends_ends_an_answer(folders: dict[str, Path], pairs: list[Pair]) -> None:
    inspector = LocalInspector(folders["gemma3"], SETTINGS)
    made_to_say(inspector, "<answer>No.</answer>", end="<other>")
    [(_, verdict)] = inspector.inspect(pairs[:1])
    assert (verdict.status, verdict.raw_text) == ("ok", "<answer>No.</answer>")


def test_only_qwen2_sees_views_as_they_are(folders: dict[str, Path], pairs: list[Pair]) -> None:
    """Its processor would make them smaller; the other families' processors do as they are made to."""
    inspector = LocalInspector(folders["qwen2_5_vl"], SETTINGS)
    messages, view = inspector.settings.ask(pairs[0])
    batch = encode(inspector._processor, [messages], processing=inspector._family.processing)
    grid = [(14 * int(w), 14 * int(h)) for _, h, w in batch["image_grid_thw"]]
    assert grid == [view.size_wh, view.size_wh]
    shrunk = encode(inspector._processor, [messages], processing={})
    assert [(14 * int(w), 14 * int(h)) for _, h, w in shrunk["image_grid_thw"]] != grid


def test_no_crops_confuse_gemma(folders: dict[str, Path], pairs: list[Pair]) -> None:
    inspector = LocalInspector(folders["gemma3"], SETTINGS)
    assert inspector._processor.image_processor.do_pan_and_scan is True
    seen = made_to_say(inspector, "No.")
    list(inspector.inspect(pairs[:2]))
    assert seen[0]["pixel_values"].shape == (4, 3, 56, 56)


def test_a_sampled_answer_depends_on_its_query_and_the_seed_alone(
    folders: dict[str, Path], pairs: list[Pair]
) -> None:
    sampled = replace(SETTINGS, temperature=1.0, min_p=0.001, max_tokens=8)

    def texts(inspector: LocalInspector, some: Sequence[Pair]) -> list[str]:
        return [verdict.raw_text for _, verdict in sorted(inspector.inspect(some), key=lambda one: one[0])]

    inspector = LocalInspector(folders["qwen3_vl"], sampled, batch_size=4)
    whole = texts(inspector, pairs)
    assert len(set(whole)) == 5
    inspector.batch_size = 2
    assert texts(inspector, pairs[2:]) == whole[2:], "after an interruption others stand beside it"
    assert texts(inspector, pairs) == whole
    inspector.settings = replace(inspector.settings, seed=1)
    assert texts(inspector, pairs) != whole


def test_min_p_leaves_the_likely_tokens_only(folders: dict[str, Path], pairs: list[Pair]) -> None:
    greedy = LocalInspector(folders["qwen3_vl"], replace(SETTINGS, max_tokens=8))
    strict = LocalInspector(folders["qwen3_vl"], replace(SETTINGS, max_tokens=8, temperature=2.0, min_p=1.0))
    assert [one.raw_text for _, one in strict.inspect(pairs)] == [
        one.raw_text for _, one in greedy.inspect(pairs)
    ]


def test_the_key_tells_weights_apart_whatever_their_order(folders: dict[str, Path]) -> None:
    def weights(inspector: LocalInspector) -> str:
        return str(inspector.key()["weights"])

    inspector = LocalInspector(folders["qwen3_vl"], SETTINGS)
    again = LocalInspector(folders["qwen3_vl"], SETTINGS)
    fresh = LocalInspector(folders["qwen3_vl"], SETTINGS, untrained=True)
    assert weights(inspector) == weights(again) != weights(fresh)
    with torch.no_grad():
        layer = next(p for name, p in again._model.named_parameters() if "mlp" in name and p.ndim == 2)
        layer[:2] = layer[[1, 0]].clone()  # the same sum
    del again._weights
    assert weights(again) != weights(inspector)


def test_without_probabilities_a_confidence_is_the_score(folders: dict[str, Path], pairs: list[Pair]) -> None:
    inspector = LocalInspector(folders["internvl"], SETTINGS, logprobs=False)
    made_to_say(inspector, "<answer>No.</answer><confidence>20</confidence>")
    [(_, verdict)] = inspector.inspect(pairs[:1])
    assert (verdict.score, verdict.score_kind) == (0.2, "confidence")


def test_another_convention_is_the_user_s_word_but_never_pixels_nobody_sees(folders: dict[str, Path]) -> None:
    unit = LocalInspector(folders["internvl"], SETTINGS, space=CoordinateSpace.UNIT)
    assert unit.settings.space is CoordinateSpace.UNIT
    with pytest.raises(UsageError, match="its processor resizes every view"):
        LocalInspector(folders["internvl"], SETTINGS, space=CoordinateSpace.VIEW)


@pytest.mark.parametrize(
    ("model_type", "said"), [("paligemma", "knows how to ask and read only"), ("internvl_chat", "-HF")]
)
def test_a_family_that_is_not_declared_is_refused(tmp_path: Path, model_type: str, said: str) -> None:
    (tmp_path / "config.json").write_text(f'{{"model_type": "{model_type}"}}')
    with pytest.raises(ProviderError, match=said):
        LocalInspector(tmp_path, SETTINGS)


def test_a_plan_of_what_costs_nothing(folders: dict[str, Path], pairs: list[Pair]) -> None:
    plan = LocalInspector(folders["qwen3_vl"], SETTINGS).plan(pairs)
    assert (plan.requests, plan.dollars) == (5, 0.0)
    space = replace(SETTINGS, space=CoordinateSpace.THOUSAND)
    assert plan.usage == plan_of(pairs, space, None).usage
