"""Recipes: TOML files that say everything a teaching or a training depends on."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from mmrad.errors import DataError


class Table(BaseModel):
    """A table of a recipe; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
        first = error.errors()[0]
        raise DataError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable recipe ({error})") from error
