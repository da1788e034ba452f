"""Counting text tokens with the tokenizer of a named model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mmrad.errors import DataError, MissingExtraError

_FILE = "tokenizer.json"
_BATCH = 1000
"""Texts encoded at once; bounds the memory."""


class Tokenizer:
    """The tokenizer of a model, without the model.

    Args:
        model: Folder of a transformers model, or its id on the Hugging Face Hub.

    Raises:
        MissingExtraError: When the `local` extra is not installed.
        DataError: When there is no such tokenizer or it is unreadable.
    """

    def __init__(self, model: str | Path) -> None:
        try:
            import tokenizers
        except ImportError as error:
            raise MissingExtraError("tokenizers", "local") from error
        path = _find(model)
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # it raises nothing narrower
            raise DataError(f"{path}: not a tokenizer ({error})") from error

    def __call__(self, texts: Sequence[str], *, advance: Callable[[int], None] | None = None) -> int:
        """The number of tokens of all texts together, special tokens that mark their ends not counted.

        Args:
            texts: The texts.
            advance: Called after each batch with the number of texts in it.
        """
        total = 0
        for start in range(0, len(texts), _BATCH):
            # Models do write lone surrogates, which no tokenizer takes.
            batch = [text.encode("utf-8", "replace").decode() for text in texts[start : start + _BATCH]]
            total += sum(map(len, self._tokenizer.encode_batch_fast(batch, add_special_tokens=False)))
            if advance:
                advance(len(batch))
        return total


def _find(model: str | Path) -> Path:
    if Path(model).is_dir():
        path = Path(model) / _FILE
        if not path.is_file():
            raise DataError(
                f"{path}: there is no such file; save the tokenizer with  save_pretrained  of transformers"
            )
        return path
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(str(model), _FILE))
    except (OSError, ValueError) as error:
        raise DataError(
            f"tokenizer {str(model)!r}: no such folder, and not to be had from the Hugging Face Hub; give a "
            f"folder that holds {_FILE} ({error})"
        ) from error
