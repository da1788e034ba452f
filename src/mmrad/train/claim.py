"""A folder belongs to the training that began it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mmrad.errors import DataError, UsageError
from mmrad.files import write_text
from mmrad.recipe import differences

RECIPE_FILE = "recipe.json"

PACE = ("micro_batch", "save_steps", "logging_steps", "sample_steps", "workers")
"""Fields of `Optimisation` that change how a training goes, not what it learns: a rerun may change them."""


def claim(folder: Path, settings: Mapping[str, Any], ignored: Collection[str] = ()) -> None:
    """Write down what is trained in a folder, or refuse one that was begun with something else.

    Args:
        folder: Of the training; gets `recipe.json`.
        settings: Everything the training depends on, as JSON has it.
        ignored: Keys that may differ, those inside others as `outer.inner`, see `PACE`.

    Raises:
        UsageError: When the folder was begun with other settings; names the first that differs.
        DataError: When its `recipe.json` is damaged.
    """
    path = folder / RECIPE_FILE
    asked = json.loads(json.dumps(settings))
    if path.exists():
        for difference in differences(_read(path), asked, ignored):
            raise UsageError(
                f"{folder}: holds a training of another recipe ({path}): {difference}; name another "
                "folder, or remove this one"
            )
    write_text(path, json.dumps(asked, indent=2) + "\n")


def _read(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise DataError(
            f"{path}: not JSON ({error}); remove the folder to begin the training anew"
        ) from error
    if not isinstance(held, dict):
        raise DataError(f"{path}: not a JSON object; remove the folder to begin the training anew")
    return held
