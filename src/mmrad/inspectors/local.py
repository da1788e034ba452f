"""A local multimodal model of the Qwen2.5-VL class, run by transformers, as an inspector."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    LogitsProcessor,
    LogitsProcessorList,
    set_seed,
)

from mmrad.errors import DataError, ProviderError
from mmrad.inspectors.base import InspectionSettings, failed_verdict, verdict_from_text
from mmrad.inspectors.chat import encode
from mmrad.prompt import Message
from mmrad.sample import Pair, Usage, Verdict
from mmrad.view import View

MODEL_TYPES = ("qwen2_5_vl", "qwen2_vl")
"""Model types whose coordinates are pixels of the view and whose processor takes views unchanged."""

_VISION_TOKENS = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")


class LocalInspector:
    """Inspect with a model of the Qwen2.5-VL class loaded by transformers.

    Args:
        model: Folder with the model and its processor, or a name on a model hub.
        settings: How to ask.
        batch_size: How many queries are generated at once.
        device: torch device; the GPU when there is one, else the CPU.
        name: Name for tables; the last part of `model` by default.
        untrained: Replace the weights by fresh random ones, for a row at chance level.

    Raises:
        ProviderError: When the model cannot be loaded or is of another class.
    """

    def __init__(
        self,
        model: str | Path,
        settings: InspectionSettings,
        *,
        batch_size: int = 16,
        device: str | None = None,
        name: str | None = None,
        untrained: bool = False,
    ) -> None:
        self.name = name or Path(str(model)).name
        self.settings = settings
        self.batch_size = batch_size
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._model, self._processor = _load(model, self.device, untrained)
        self._verdict_tokens = _VerdictTokens(self._processor.tokenizer)

    def key(self) -> dict[str, Any]:
        """Everything besides the images that can change an answer."""
        weights = sum(float(p.detach().double().abs().sum()) for p in self._model.parameters())
        return {
            "inspector": "local",
            "model": self.name,
            "weights": f"{weights:.6e}",
            "dtype": str(self._model.dtype),
            **self.settings.key(),
        }

    def about(self) -> dict[str, Any]:
        """Nothing: it costs no money and drops no parameter."""
        return {}

    def inspect(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Verdict]]:
        """Yield `(index into pairs, verdict)` batch by batch."""
        asked: list[tuple[int, list[Message], View]] = []
        for index, pair in enumerate(pairs):
            try:
                messages, view = self.settings.ask(pair)
            except DataError as error:
                yield index, failed_verdict("failed", str(error))
                continue
            asked.append((index, messages, view))
            if len(asked) == self.batch_size:
                yield from self._answer(asked)
                asked = []
        if asked:
            yield from self._answer(asked)

    @torch.inference_mode()
    def _answer(self, asked: Sequence[tuple[int, list[Message], View]]) -> Iterator[tuple[int, Verdict]]:
        started = time.perf_counter()
        self._processor.tokenizer.padding_side = "left"
        batch = encode(self._processor, [messages for _, messages, _ in asked]).to(self.device)
        recorder = _VerdictRecorder(self._verdict_tokens)
        # One seed for every batch keyed by its first query: an answer does not depend on what ran before it.
        set_seed(self.settings.seed + asked[0][0])
        output = self._model.generate(
            **batch, **self._sampling(), logits_processor=LogitsProcessorList([recorder])
        )
        prompt_length = batch["input_ids"].shape[1]
        seconds = (time.perf_counter() - started) / len(asked)
        for row, (index, _, view) in enumerate(asked):
            tokens = output[row, prompt_length:].tolist()
            text, count, finished = self._decode(tokens)
            yield (
                index,
                verdict_from_text(
                    text,
                    view,
                    truncated=not finished,
                    score=recorder.score(row, tokens[:count]),
                    usage=Usage(int(batch["attention_mask"][row].sum()), count, seconds),
                    model_reported=self.name,
                ),
            )

    def _sampling(self) -> dict[str, Any]:
        tokenizer = self._processor.tokenizer
        # A sampled image token would ask for pixels that are not there (`training.md`, TRL).
        forbidden = [tokenizer.convert_tokens_to_ids(token) for token in _VISION_TOKENS]
        options: dict[str, Any] = {
            "max_new_tokens": self.settings.max_tokens,
            "do_sample": self.settings.temperature > 0,
            "suppress_tokens": [token for token in forbidden if token is not None],
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "repetition_penalty": 1.0,
        }
        if self.settings.temperature > 0:
            options |= {"temperature": self.settings.temperature, "top_p": 1.0, "top_k": 0}
            options |= {"min_p": self.settings.min_p} if self.settings.min_p else {}
        return options

    def _decode(self, tokens: Sequence[int]) -> tuple[str, int, bool]:
        """Text, number of tokens, and whether the model ended it itself."""
        tokenizer = self._processor.tokenizer
        finished = tokenizer.eos_token_id in tokens
        count = tokens.index(tokenizer.eos_token_id) if finished else len(tokens)
        return tokenizer.decode(tokens[:count], skip_special_tokens=True), count, finished


def _load(model: str | Path, device: torch.device, untrained: bool) -> tuple[Any, Any]:
    try:
        processor = AutoProcessor.from_pretrained(model)
        # Weights are stored in half precision, which many CPUs compute slower than single.
        dtype = "auto" if device.type == "cuda" else torch.float32
        loaded = AutoModelForImageTextToText.from_pretrained(model, dtype=dtype)
        if untrained:
            set_seed(0)
            loaded = type(loaded)(loaded.config)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ProviderError(
            f"cannot load the model {str(model)!r}: {reason}; give a folder with its files"
        ) from error
    if loaded.config.model_type not in MODEL_TYPES:
        raise ProviderError(
            f"{str(model)!r} is a {loaded.config.model_type} model; local inspection knows the boxes "
            f"of {', '.join(MODEL_TYPES)} only: serve it behind an OpenAI-compatible endpoint instead"
        )
    placed: Any = loaded
    return placed.to(device).eval(), processor


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
