"""Answers made from the truth of a corpus, for the tests of exports for benchmark harnesses."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

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
