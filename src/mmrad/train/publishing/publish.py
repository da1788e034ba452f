"""A trained model as a folder that can be given away: merged weights, LoRA weights, processor, recipe, card.

What plain transformers and vLLM read is at the top of the folder; everything is safetensors or text.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from mmrad.corpus import Corpus
from mmrad.errors import DataError, UsageError
from mmrad.files import write_text
from mmrad.inspectors.make import NANO
from mmrad.prompt import BUILT_IN
from mmrad.recipe import problem_of
from mmrad.train.claim import RECIPE_FILE
from mmrad.train.examples.data import trained_on
from mmrad.train.publishing.card import BaseModel, Card, Figures
from mmrad.train.publishing.trained_on import TrainedOn, read_trained_on, sources_of
from mmrad.train.recipe import Recipe

_SUFFIXES = (".safetensors", ".json", ".jinja", ".txt", ".model")
"""Weights, settings, chat templates, vocabularies: nothing that runs code when it is loaded."""

_NEEDED = ("config.json", "processor_config.json", "tokenizer_config.json", "mmrad.json")

_PATH_KEYS = ("_name_or_path", "name_or_path", "base_model_name_or_path")
"""Where transformers and peft write the folder that something was loaded from."""

_HUB_NAME = re.compile(r"[\w.\-]+/[\w.\-]+")


def publish(
    training: Path,
    out: Path,
    *,
    corpus: Path | None = None,
    base: str | None = None,
    base_licence: str | None = None,
    licence: str | None = None,
    figures: Sequence[Figures] = (),
) -> Path:
    """Write the folder of a finished training that can be uploaded to the Hugging Face Hub.

    It has the merged weights and the processor as plain transformers loads them, `adapter/` with the LoRA
    weights where there are any, `mmrad.json`, `recipe.json` and the card `README.md`. It appears whole or
    not at all.

    Args:
        training: Folder of the training, such as `OUT/sft` or `OUT/grpo`.
        out: The folder; a new one, or an empty one.
        corpus: Corpus that was trained on, for a training that kept no `trained_on.json`.
        base: Name of the model that was fine-tuned, where the recipe names a folder of this machine.
        base_licence: Its licence, where its folder has no card that says it.
        licence: What is claimed for the weights, as the Hub spells it.
        figures: What runs say of the model.

    Raises:
        UsageError: When the training is not finished, the folder holds anything, or the licence cannot be
            claimed.
        DataError: When a file of the model is damaged, or could run code when it is loaded.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(f"{out}: is not empty; name a new folder")
    trainings = list(_trainings(training))
    files = _files_of(training / "model", _NEEDED)
    adapter = _files_of(training / "adapter", ()) if (training / "adapter").is_dir() else []
    recipe, found = trainings[0].recipe, _base_of(trainings[-1], base, base_licence)
    card = Card(
        name=recipe.name,
        recipe=recipe,
        method=_method(trainings),
        base=found,
        trained_on=_trained_on(trainings, corpus),
        adapter=bool(adapter),
        licence=licence,
        figures=figures,
    ).text()
    with _whole(out) as folder:
        for path in files:
            _copy(path, folder / path.name, found)
        for path in adapter:
            _copy(path, folder / "adapter" / path.name, found)
        write_text(folder / RECIPE_FILE, _published_recipe(trainings, found))
        write_text(folder / "README.md", card)
    return out


@dataclass(frozen=True, slots=True)
class _Training:
    """A training on disk.

    Attributes:
        folder: Its folder.
        recipe: Its recipe, without the table of a pretraining.
        tables: The recipe as it is written there.
        start: The model it started from; None for a new one.
    """

    folder: Path
    recipe: Recipe
    tables: dict[str, Any]
    start: str | None

    @classmethod
    def read(cls, folder: Path) -> _Training:
        """Read the `recipe.json` of a training.

        Raises:
            UsageError: When there is none.
            DataError: When it is damaged.
        """
        path = folder / RECIPE_FILE
        try:
            tables = json.loads(path.read_text("utf-8"))
            start = tables.pop("start", None)
            # A pretraining keeps its last stage without steps, of which it may get more.
            known = {name: table for name, table in tables.items() if name != "pretraining"}
            return cls(folder, Recipe.model_validate(known), tables, start)
        except FileNotFoundError:
            raise UsageError(
                f"{folder}: not a training (no {RECIPE_FILE}); give the folder that has it, such as OUT/sft"
            ) from None
        except (OSError, ValueError, AttributeError) as error:
            reason = problem_of(error) if isinstance(error, ValidationError) else error
            raise DataError(f"{path}: not the recipe of a training ({reason})") from error


def _trainings(folder: Path) -> Iterator[_Training]:
    """The training, and those whose models it and its forerunners started from."""
    training = _Training.read(folder)
    yield training
    if training.start is None or Path(training.start).name != "model":
        return
    start = Path(training.start)
    if not start.is_dir():
        raise UsageError(
            f"{folder}: started from {start}, which is not there; run this in the folder in which it was "
            "trained, or the card cannot say what its model was trained on"
        )
    if (start.parent / RECIPE_FILE).exists():
        yield from _trainings(start.parent)


def _files_of(folder: Path, needed: Sequence[str]) -> list[Path]:
    """The files of a model, all of which are whole and run nothing.

    Raises:
        UsageError: When one is missing: the training has not finished.
        DataError: When one is damaged, or of a kind that is not published.
    """
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    files = [path for path in found if path.name != "README.md"]  # peft writes one, with paths in it
    names = {path.name for path in files}
    for path in files:
        if not path.is_file() or path.suffix not in _SUFFIXES:
            raise DataError(
                f"{path}: is not published, for it may run code when it is loaded; only safetensors, JSON, "
                "templates and vocabularies are. Save its weights as safetensors, or take it out"
            )
    missing = [name for name in needed if name not in names]
    if missing or not any(name.endswith(".safetensors") for name in names):
        lacks = missing[0] if missing else "weights"
        raise UsageError(
            f"{folder}: has no {lacks}, so that the training has not finished; the command that began it "
            "goes on"
        )
    for path in files:
        _check_whole(path)
    return files


def _check_whole(path: Path) -> None:
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt"):  # reads the header, and compares it with the size of the file
                pass
        elif path.suffix == ".json":
            content = json.loads(path.read_text("utf-8"))
            shards = set(content["weight_map"].values()) if path.name.endswith(".index.json") else set()
            if absent := sorted(name for name in shards if not (path.parent / name).is_file()):
                raise ValueError(f"{absent[0]}, which it lists, is not there")
    except (OSError, ValueError, LookupError, SafetensorError) as error:
        raise DataError(f"{path}: damaged ({error}); let the training save its model again") from error


def _base_of(first: _Training, name: str | None, licence: str | None) -> BaseModel | None:
    """What the first training started from; None when it was made from nothing."""
    path = first.start or (first.recipe.base.path if first.recipe.base else None)
    if path is None:
        return None
    if path == NANO:
        return BaseModel(NANO, licence or "Apache-2.0")
    if Path(path).is_dir():
        return BaseModel(name or Path(path).name, licence or _licence_beside(Path(path)))
    named = path if _HUB_NAME.fullmatch(path) else Path(path).name
    return BaseModel(name or named, licence or "unknown")


def _licence_beside(folder: Path) -> str:
    """The licence that the card of a model names."""
    try:
        data = ModelCard.load(folder / "README.md", ignore_metadata_errors=True).data
    except (OSError, ValueError):
        return "unknown"
    return str(data.license_name or data.license or "unknown")


def _method(trainings: Sequence[_Training]) -> str:
    names = {"pretraining": "pretraining", "sft": "supervised fine-tuning", "grpo": "reinforcement learning"}
    words = [next(names[key] for key in reversed(names) if one.tables.get(key)) for one in trainings]
    base = trainings[0].recipe.base
    how = f" (LoRA of rank {base.lora.rank})" if base and base.lora else " (all weights)"
    return ", then ".join(reversed(words)) + how


def _trained_on(trainings: Sequence[_Training], corpus: Path | None) -> list[TrainedOn]:
    """What all of them read, each source once, as the training has it that read most of it."""
    parts: dict[tuple[str, str], TrainedOn] = {}
    for training in trainings:
        for part in read_trained_on(training.folder) or _read_from(training, corpus):
            key = (part.source, part.licence)
            parts[key] = max(part, parts.get(key, part), key=lambda one: one.images)
    return [parts[key] for key in sorted(parts)]


def _read_from(training: _Training, corpus: Path | None) -> Sequence[TrainedOn]:
    made = training.folder.parent / "data" / "corpus"
    path = corpus or training.recipe.data.corpus or (made if made.exists() else None)
    if path is None:
        raise UsageError(
            f"{training.folder}: does not say what it was trained on; give the corpus of the training "
            "by --corpus"
        )
    return sources_of(trained_on(Corpus(path), training.recipe.data))


def _published_recipe(trainings: Sequence[_Training], base: BaseModel | None) -> str:
    """The tables of all trainings, without paths of this machine."""
    content: dict[str, Any] = {}
    for training in reversed(trainings):
        content |= {name: table for name, table in training.tables.items() if table is not None}
    if base and "base" in content:
        content["base"] = {**content["base"], "path": base.name}
    content["data"] = {**content["data"], "corpus": None}
    return json.dumps(content, indent=2) + "\n"


def _copy(source: Path, target: Path, base: BaseModel | None) -> None:
    """Copy a file; settings lose the paths that they were loaded from."""
    target.parent.mkdir(exist_ok=True)
    if source.suffix != ".json" or not source.name.endswith("config.json"):
        shutil.copyfile(source, target)
        if source.name == "mmrad.json":
            _refuse_own_prompts(source)
        return
    content: dict[str, Any] = json.loads(source.read_text("utf-8"))
    for key in _PATH_KEYS:
        if key in content:
            content[key] = base.name if base else ""
    write_text(target, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _refuse_own_prompts(path: Path) -> None:
    prompts = json.loads(path.read_text("utf-8"))["prompts"]
    if prompts not in BUILT_IN:
        raise UsageError(
            f"{path}: the model is asked with {prompts!r}, a file of this machine, which nobody else has; "
            f"only models with built-in prompts ({', '.join(BUILT_IN)}) can be published"
        )


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A folder beside `out` to write to; on success it is on the disk and becomes `out`.

    A killed call leaves it behind under a name that begins with a dot; the next call removes it.
    """
    folder = out.with_name(f".{out.name}.publishing")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
        for path in sorted(folder.rglob("*"), reverse=True):
            _sync(path)
        _sync(folder)
        folder.replace(out)
        _sync(out.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
