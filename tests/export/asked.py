"""Answers made from the truth of a corpus, and what the harnesses do with the files of an export."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from mmrad.coordinates import CoordinateSpace, from_view
from mmrad.corpus import Corpus
from mmrad.image import read_image
from mmrad.inspectors.base import InspectionSettings
from mmrad.sample import Sample
from mmrad.view import View, make_view
from taught import BUDGET

SETTINGS = InspectionSettings(budget=BUDGET, max_tokens=77)
SPLITS = ("train", "test")

UNREADABLE = ("", "I would rather not say.", "<think>No scratch, but", "<answer>Yes and No</answer>")
"""Answers without a judgement; some look like a No."""

DETECTION = ("accuracy", "recall", "precision")
LOCALIZATION = tuple(f"iou{threshold}_{name}" for threshold in (0.1, 0.3, 0.5) for name in DETECTION)


def module_at(path: Path) -> ModuleType:
    """A Python file as a module, loaded as lmms-eval loads it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def query_view(corpus: Corpus, sample: Sample) -> View:
    """The view of a sample's image, made here anew."""
    path = corpus.resolve(sample.source, sample.image)
    return make_view(read_image(path), BUDGET)


def perfect(corpus: Corpus, sample: Sample, space: CoordinateSpace = CoordinateSpace.VIEW) -> str:
    """The true answer as a model with a convention of coordinates writes it."""
    view = query_view(corpus, sample)
    boxes = [from_view(view.to_view(region.box), space, view) for region in sample.regions]
    places = ", ".join(f"{{'bbox_2d': {list(box.xyxy)}, 'label': 'it'}}" for box in boxes)
    return f"<think>I look.</think><answer>{'Yes. ' + places if boxes else 'No.'}</answer>"


def opposite(sample: Sample) -> str:
    """An answer whose judgement is wrong."""
    return "No." if sample.anomalous else "Yes. {'bbox_2d': [1, 1, 20, 20], 'label': 'it'}"


def misplaced(sample: Sample) -> str:
    """An answer whose judgement is right and whose box, in the view's pixels, touches no true one."""
    return "Yes. {'bbox_2d': [0, 0, 5, 5], 'label': 'it'}" if sample.anomalous else "No."


Docs = dict[str, dict[str, Any]]


def docs_in(out: Path) -> Docs:
    """The rows of an export for lmms-eval, by sample."""
    return {doc["id"]: doc for doc in pq.read_table(out / "samples.parquet").to_pylist()}


def load_yaml(path: Path, utils: ModuleType) -> dict[str, Any]:
    """A task's file with what it includes; `!function` is what it names."""

    class Loader(yaml.SafeLoader):
        pass

    def function(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
        module, name = loader.construct_scalar(node).split(".")
        assert module == "utils"
        return getattr(utils, name)

    Loader.add_constructor("!function", function)
    task = yaml.load(path.read_text("utf-8"), Loader)
    common = yaml.load((path.parent / task.pop("include")).read_text("utf-8"), Loader)
    return {**common, **task}


class ImageBaseDataset:
    """As little of VLMEvalKit's as the dataset needs: the table is read, lists of images are unpacked."""

    def __init__(self, dataset: str, skip_noimg: bool) -> None:
        data = self.load_data(dataset)  # type: ignore[attr-defined]
        data["image_path"] = [toliststr(names) for names in data["image_path"]]
        self.data = data


def toliststr(names: str | list[str]) -> list[str]:
    return ast.literal_eval(names) if isinstance(names, str) else names


def load(path: str) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t")


def kit_dataset(out: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The class beside the table of an export for VLMEvalKit."""
    for name, members in (
        ("vlmeval", {}),
        ("vlmeval.dataset", {}),
        ("vlmeval.dataset.image_base", {"ImageBaseDataset": ImageBaseDataset}),
        ("vlmeval.smp", {"load": load, "toliststr": toliststr}),
    ):
        module = ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)
    made: Callable[..., Any] = module_at(out / "mmrad_vlmevalkit.py").MmradInspection
    return made
