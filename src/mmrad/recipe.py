"""Recipes: TOML files that say everything a teaching or a training depends on."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from mmrad.errors import DataError


class Table(BaseModel):
    """A table of a recipe; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def problem_of(error: ValidationError) -> str:
    """The first thing that is wrong, in one line: `key.of.a.table: what`."""
    first = error.errors()[0]
    return ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))


def differences(
    held: Mapping[str, Any], asked: Mapping[str, Any], ignored: Collection[str] = (), prefix: str = ""
) -> Iterator[str]:
    """What differs between a job as it was begun and as it is asked for now, in words.

    Args:
        held: The values it was begun with, as JSON has them.
        asked: Those of now.
        ignored: Keys that may differ, those inside others as `outer.inner`.
        prefix: Of the keys.
    """
    for key in sorted(held.keys() | asked.keys()):
        old, new, name = held.get(key), asked.get(key), prefix + key
        if isinstance(old, dict) and isinstance(new, dict):
            yield from differences(old, new, ignored, f"{name}.")
        elif old != new and name not in ignored:
            yield f"{name} is {old!r} there and {new!r} now"


AnyRecipe = TypeVar("AnyRecipe", bound=Table)


def read_recipe(path: Path, form: type[AnyRecipe]) -> AnyRecipe:
    """Read a recipe.

    Args:
        path: The file.
        form: What it must hold.

    Raises:
        DataError: When the file is missing, is not TOML, or a value is missing, unknown or of the wrong type.
    """
    try:
        return form.model_validate(tomllib.loads(path.read_text("utf-8")))
    except ValidationError as error:
        raise DataError(f"{path}: {problem_of(error)}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable recipe ({error})") from error
