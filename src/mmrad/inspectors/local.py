"""A local multimodal model, run by transformers, as an inspector."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    LogitsProcessor,
    LogitsProcessorList,
    set_seed,
)

from mmrad.coordinates import CoordinateSpace
from mmrad.endpoint import Price
from mmrad.errors import ProviderError
from mmrad.inspectors.base import InspectionSettings, verdict_from_text
from mmrad.inspectors.batches import Asked, in_batches
from mmrad.inspectors.chat import encode
from mmrad.inspectors.families import family_of
from mmrad.inspectors.plan import Plan, plan_of
from mmrad.sample import Pair, Usage, Verdict

_VISION_TOKENS = (
    "image_token_id",
    "image_token_index",
    "video_token_id",
    "vision_start_token_id",
    "vision_end_token_id",
    "image_start_token_id",
    "image_end_token_id",
    "boi_token_index",
    "eoi_token_index",
)
"""What configurations call the tokens that stand for or enclose images."""


class LocalInspector:
    """Inspect with a model loaded by transformers, of one of `FAMILIES`.

    A sampled answer depends on the seed and the query alone, not on what is asked beside it.

    Args:
        model: Folder with the model and its processor, or a name on a model hub.
        settings: How to ask; the convention of boxes is the family's.
        space: Another convention, for a model that was trained to it.
        logprobs: Whether the score is made from the probabilities of Yes and No.
        batch_size: How many queries are generated at once.
        device: torch device; the GPU when there is one, else the CPU.
        name: Name for tables; the last part of `model` by default.
        untrained: Replace the weights by fresh random ones, for a row at chance level.
        about: What tables say of the model.

    Raises:
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
        device: str | None = None,
        name: str | None = None,
        untrained: bool = False,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name or Path(str(model)).name
        self.batch_size = batch_size
        self.logprobs = logprobs
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._family = family_of(model)
        self.settings = replace(settings, space=self._family.space_for(space, self.name))
        self._model, self._processor = _load(model, self.device, untrained)
        self._verdict_tokens = _VerdictTokens(self._processor.tokenizer)
        self._about = dict(about or {})

    def key(self) -> dict[str, Any]:
        """Everything besides the images that can change an answer."""
        return {
            "inspector": "local",
            "model": self.name,
            "weights": self._weights,
            "dtype": str(self._model.dtype),
            "logprobs": self.logprobs,
            **self.settings.key(),
        }

    @cached_property
    def _weights(self) -> str:
        """SHA-256, its first 16 digits, over all weights as they are in memory."""

        def digest_of(item: tuple[str, torch.Tensor]) -> bytes:
            name, tensor = item
            content = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            digest = hashlib.sha256(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(content.numpy().data)
            return digest.digest()

        with ThreadPoolExecutor(4) as pool:  # hashing frees the interpreter's lock
            digests = pool.map(digest_of, self._model.state_dict().items())
            return hashlib.sha256(b"".join(digests)).hexdigest()[:16]

    def about(self) -> dict[str, Any]:
        """What tables say of it; it costs no money and drops no parameter."""
        return self._about

    def plan(self, pairs: Sequence[Pair]) -> Plan:
        """What inspecting these pairs would take; it costs no money."""
        return plan_of(pairs, self.settings, Price(0.0, 0.0))

    def inspect(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Verdict]]:
        """Yield `(index into pairs, verdict)` batch by batch."""
        yield from in_batches(self.settings, pairs, self.batch_size, self._answer)

    @torch.inference_mode()
    def _answer(self, asked: Sequence[Asked]) -> Iterator[tuple[int, Verdict]]:
        started = time.perf_counter()
        self._processor.tokenizer.padding_side = "left"
        conversations = [one.messages for one in asked]
        batch = encode(self._processor, conversations, processing=self._family.processing)
        recorder = _VerdictRecorder(self._verdict_tokens)
        steps = LogitsProcessorList([recorder])
        if self.settings.temperature > 0:
            seeds = [one.seed for one in asked]
            steps.append(_Sampler(seeds, self.settings.temperature, self.settings.min_p))
        output = self._model.generate(
            **batch.to(self.device, dtype=self._model.dtype), **self._decoding(), logits_processor=steps
        )
        prompt_length = batch["input_ids"].shape[1]
        seconds = (time.perf_counter() - started) / len(asked)
        for row, one in enumerate(asked):
            tokens = output[row, prompt_length:].tolist()
            text, count, finished = self._decode(tokens)
            yield (
                one.index,
                verdict_from_text(
                    text,
                    one.view,
                    space=self.settings.space,
                    truncated=not finished,
                    score=recorder.score(row, tokens[:count]) if self.logprobs else None,
                    usage=Usage(int(batch["attention_mask"][row].sum()), count, seconds),
                    model_reported=self.name,
                ),
            )

    def _decoding(self) -> dict[str, Any]:
        config, tokenizer = self._model.config, self._processor.tokenizer
        return {
            "max_new_tokens": self.settings.max_tokens,
            "do_sample": False,  # `_Sampler` has left one token
            "suppress_tokens": vision_tokens(config),
            "pad_token_id": self._ends[0] if tokenizer.pad_token_id is None else tokenizer.pad_token_id,
            "eos_token_id": self._ends,
            "repetition_penalty": 1.0,
        }

    @cached_property
    def _ends(self) -> list[int]:
        """The tokens that end an answer."""
        declared = self._model.generation_config.eos_token_id
        ends = declared if isinstance(declared, list) else [declared]
        return sorted({self._processor.tokenizer.eos_token_id, *ends} - {None})

    def _decode(self, tokens: Sequence[int]) -> tuple[str, int, bool]:
        """Text, number of tokens, and whether the model ended it itself."""
        count = next((index for index, token in enumerate(tokens) if token in self._ends), None)
        text = self._processor.tokenizer.decode(tokens[:count], skip_special_tokens=True)
        return text, len(tokens) if count is None else count, count is not None


def vision_tokens(config: Any) -> list[int]:
    """Tokens that must not be generated: that of an image would ask for pixels that are not there."""
    found = (getattr(config, name, None) for name in _VISION_TOKENS)
    return sorted({token for token in found if token is not None})


def _load(model: str | Path, device: torch.device, untrained: bool) -> tuple[Any, Any]:
    try:
        processor = AutoProcessor.from_pretrained(model)
        # Weights are stored in half precision, which many CPUs compute slower than single.
        dtype = "auto" if device.type == "cuda" else torch.float32
        loaded: Any = AutoModelForImageTextToText.from_pretrained(model, dtype=dtype)
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).strip() or repr(error)).partition("\n")[0]
        raise ProviderError(
            f"cannot load the model {str(model)!r}: {reason}; give a folder with its files"
        ) from error
    if untrained:
        set_seed(0)
        loaded = type(loaded)(loaded.config)
    return loaded.to(device).eval(), processor


class _Sampler(LogitsProcessor):  # type: ignore[misc]
    """Draws the next token of each row with that row's own random numbers, and leaves no other.

    Sampling by `generate` draws for all rows at once: an answer would depend on what else is in the batch.
    """

    def __init__(self, seeds: Sequence[int], temperature: float, min_p: float) -> None:
        self._random = [np.random.default_rng(seed) for seed in seeds]
        self._temperature, self._min_p = temperature, min_p

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        chances = (scores.double() / self._temperature).softmax(dim=-1)
        chances[chances < self._min_p * chances.amax(dim=-1, keepdim=True)] = 0.0
        totals = chances.cumsum(dim=-1)
        drawn = torch.tensor([[one.random()] for one in self._random], device=scores.device)
        chosen = torch.searchsorted(totals, drawn.double() * totals[:, -1:], right=True)
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen.clamp(max=scores.shape[1] - 1), 0.0)


class _VerdictTokens:
    """Which tokens say Yes and No, and where in a text the verdict stands."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.yes, self.no = (self._ids(word) for word in ("yes", "no"))

    def _ids(self, word: str) -> list[int]:
        spellings = {
            f"{space}{form}" for space in ("", " ") for form in (word, word.capitalize(), word.upper())
        }
        encoded = [self.tokenizer.encode(text, add_special_tokens=False) for text in sorted(spellings)]
        return sorted({ids[0] for ids in encoded if len(ids) == 1})

    def position(self, tokens: Sequence[int]) -> int | None:
        """Index of the token that follows `<answer>` and says Yes or No."""
        for index, token in enumerate(tokens):
            if token in self.yes or token in self.no:
                before = self.tokenizer.decode(list(tokens[:index]), skip_special_tokens=True)
                if before.rstrip().endswith("<answer>"):
                    return index
        return None


class _VerdictRecorder(LogitsProcessor):  # type: ignore[misc]
    """Keeps the probability of Yes and of No at every step, before temperature and filtering."""

    def __init__(self, words: _VerdictTokens) -> None:
        self.words = words
        self.steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        chances = scores.float().softmax(dim=-1)
        self.steps.append(
            torch.stack([chances[:, self.words.yes].sum(-1), chances[:, self.words.no].sum(-1)]).cpu()
        )
        return scores

    def score(self, row: int, tokens: Sequence[int]) -> float | None:
        """P(Yes) / (P(Yes) + P(No)) where the verdict was given, None when there is no such place."""
        position = self.words.position(tokens)
        if position is None:
            return None
        yes, no = self.steps[position][:, row].tolist()
        return yes / (yes + no) if yes + no > 0 else None
