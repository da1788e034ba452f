"""Model folders: what trainings start from and what they leave."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from mmrad.errors import ProviderError
from mmrad.files import write_text
from mmrad.inspectors.make import NANO, bundled_nano
from mmrad.train.recipe import Asking


def located(path: str | Path) -> str | Path:
    """Where transformers finds a model: `anomaly-r1-nano` lies in this package.

    Raises:
        DataError: When the installation lacks it.
    """
    return bundled_nano() if str(path) == NANO else path


def load_model(path: str | Path, *, dtype: torch.dtype = torch.float32) -> tuple[Any, Any]:
    """A model and its processor.

    Args:
        path: Folder, `anomaly-r1-nano` for the bundled model, or a name on a model hub.
        dtype: Of the weights.

    Raises:
        ProviderError: When there is no such model.
        DataError: When the installation lacks the bundled one.
    """
    found = located(path)
    try:
        model: Any = AutoModelForImageTextToText.from_pretrained(found, dtype=dtype)
        return model, AutoProcessor.from_pretrained(found)
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).strip() or repr(error)).partition("\n")[0]
        raise ProviderError(f"cannot load the model {str(path)!r}: {reason}") from error


def save_model(
    model: Any, processor: Any, asking: Asking, folder: Path, *, dtype: torch.dtype = torch.bfloat16
) -> None:
    """Write a model folder that `LocalInspector` and plain transformers load; heads of training stay out."""
    saved = copy.deepcopy(model).to(dtype)
    if hasattr(saved, "heads"):
        del saved.heads
    saved.save_pretrained(folder)
    processor.save_pretrained(folder)
    write_text(folder / "mmrad.json", json.dumps(asking.model_dump(), indent=2) + "\n")
