"""Reading the catalogue: the entries that come with mmrad, and the user's own over them.

A file holds one TOML table a model, named as users call it. The table `defaults` gives what all models of its
file share; a model's own key replaces the default, only `sources` are merged.
"""

from __future__ import annotations

import os
import tomllib
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mmrad.catalogue.entry import Model
from mmrad.errors import DataError
from mmrad.recipe import problem_of

VARIABLE = "MMRAD_MODELS"
"""Environment variable that names the user's file."""

_Tables = dict[str, dict[str, Any]]


def catalogue(extra: Path | None = None) -> dict[str, Model]:
    """The models by name.

    Args:
        extra: The user's TOML file; by default the one that `MMRAD_MODELS` names. A table of a known model
            replaces the keys it has, any other adds a model, of which `api_model` and `space` must be said.

    Raises:
        DataError: When a file cannot be read or an entry is not valid; the message names file, model and key.
    """
    path = extra or (Path(named) if (named := os.environ.get(VARIABLE)) else None)
    return _own_models() | _read(path, known=_own_tables()) if path else dict(_own_models())


def find_model(name: str, extra: Path | None = None) -> Model | None:
    """The model of this name; None when the catalogue has none.

    Args:
        name: As users call it.
        extra: See `catalogue`.

    Raises:
        DataError: See `catalogue`.
    """
    return catalogue(extra).get(name)


@cache
def _own_models() -> dict[str, Model]:
    return {name: _model(name, table, file) for file in _own_files() for name, table in _tables(file).items()}


@cache
def _own_tables() -> _Tables:
    return {name: table for file in _own_files() for name, table in _tables(file).items()}


def _own_files() -> list[Traversable]:
    folder = resources.files("mmrad.catalogue").joinpath("data")
    return sorted(
        (file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name
    )


def _read(path: Path, known: _Tables) -> dict[str, Model]:
    tables = _tables(path)
    return {name: _model(name, _over(known.get(name, {}), table), path) for name, table in tables.items()}


def _tables(file: Path | Traversable) -> _Tables:
    """The tables of a file by model, each over the file's defaults."""
    try:
        tables = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:  # ValueError: neither TOML nor text
        raise DataError(
            f"{file}: not a readable catalogue of models ({error}); it must be TOML with one table a "
            "model, such as  mmrad models gpt-4o  shows"
        ) from error
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise DataError(
                f"{file}: {name!r} stands outside a model's table; put it under  [\"model's name\"]"
            )
    defaults = tables.pop("defaults", {})
    return {name: _over(defaults, table) for name, table in tables.items()}


def _over(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """One table over another: sources come together, of every other key only the upper one is left."""
    sources = [table.get("sources", {}) for table in (under, over)]
    together = {"sources": sources[0] | sources[1]} if all(isinstance(item, dict) for item in sources) else {}
    return under | over | together


def _model(name: str, table: dict[str, Any], file: Path | Traversable) -> Model:
    try:
        return Model.model_validate({"title": name, **table, "name": name})
    except ValidationError as error:
        raise DataError(f"{file}: model {name!r}: {_explained(error)}") from error


def _explained(error: ValidationError) -> str:
    """The first thing that is wrong with an entry, and what to do."""
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    remedy = {
        "missing": f"add  {key} = …",
        "extra_forbidden": "there is no such key; remove it or correct its name",
    }.get(first["type"], f"it is {first['input']!r}" if key else "correct the entry")
    return f"{problem_of(error)}; {remedy}"
