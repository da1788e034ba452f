"""Load an export for benchmark harnesses with the harness itself, and have it score answers that are known.

    PYTHONPATH=src:tests .venv/bin/python docs/checks/benchmark_loaders.py make EXPORTS
    PYTHONPATH=src VENV/bin/python docs/checks/benchmark_loaders.py TOOL EXPORTS/TOOL

The second command needs a virtual environment with the tool. It prints the sizes of the images that a model
is shown before and after a resize as the tool makes it for Qwen2.5-VL, and the figures that the tool's own
evaluation gives for perfect answers, for opposite ones, for boxes in the wrong place and for unreadable ones;
it ends with 1 when a size changes or a figure is not the expected one. `--min-pixels` shows what the resize
does with another lower limit, such as a tool's own for Qwen2.5-VL.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

MIN_PIXELS, MAX_PIXELS = 28 * 28, 16384 * 28 * 28
"""What has to be said to a tool of Qwen2.5-VL's processor."""

SPACE = "view"

Size = tuple[int, int]
Figures = Mapping[str, float]


@dataclass(frozen=True)
class Asked:
    """What a tool shows a model: the sample, its true answer, the images and their (width, height)."""

    name: str
    answer: str
    images: list[Any]
    shown: list[Size]


Answers = dict[str, str]
Evaluate = Callable[[str, Answers], Figures]
"""Gives the figures of answers by sample, under a name for files."""


def make(out: Path) -> None:
    """Write a small corpus of large, non-square images in both formats."""
    from mmrad.export.lmms_eval import export_lmms_eval
    from mmrad.export.vlmevalkit import export_vlmevalkit
    from mmrad.inspectors.base import InspectionSettings
    from mmrad.view import Budget
    from taught import taught_corpus

    corpus = taught_corpus(out / "corpus", Budget(), scale=7)
    for export in (export_lmms_eval, export_vlmevalkit):
        name = export.__name__.removeprefix("export_")
        written = export(corpus, out / name, settings=InspectionSettings(), splits=("train", "test"))
        print(name, written, "samples")


def resized(images: Sequence[Any], min_pixels: int) -> list[Size]:
    """Sizes after both resizes that are made for Qwen2.5-VL: that of qwen_vl_utils, and the processor's."""
    from qwen_vl_utils import process_vision_info
    from transformers import Qwen2VLImageProcessor

    limits = {"min_pixels": min_pixels, "max_pixels": MAX_PIXELS}
    content = [{"type": "image", "image": image, **limits} for image in images]
    found, _ = process_vision_info([{"role": "user", "content": content}])
    grid = Qwen2VLImageProcessor(**limits)(images=found, return_tensors="pt")["image_grid_thw"]
    return [(wide * 14, high * 14) for _, high, wide in grid.tolist()]


def lmms_eval(folder: Path) -> tuple[str, list[Asked], Evaluate]:
    """The task, with a model that has its answers given, run by lmms-eval's evaluator."""
    from lmms_eval.api.model import lmms
    from lmms_eval.evaluator import simple_evaluate
    from lmms_eval.protocol import ChatMessages
    from lmms_eval.tasks import TaskManager, get_task_dict

    name = f"mmrad_{SPACE}"
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    task = get_task_dict([name], manager, task_type="chat")[name]
    asked = []
    for doc in task.test_docs():
        images, _, _ = ChatMessages(messages=task.doc_to_messages(doc)).extract_media()
        sizes = [image.size for image in images]
        asked.append(Asked(doc["id"], task.doc_to_target(doc), images, sizes))

    class Scripted(lmms):  # type: ignore[misc]
        """Says what it is told to."""

        is_simple = False

        def __init__(self, answers: Answers) -> None:
            super().__init__()
            self.answers = answers

        def generate_until(self, requests: list[Any]) -> list[str]:
            docs = (self.task_dict[r.args[4]][r.args[5]][r.args[3]] for r in requests)
            return [self.answers[doc["id"]] for doc in docs]

        def loglikelihood(self, requests: list[Any]) -> list[Any]:
            raise NotImplementedError

        def generate_until_multi_round(self, requests: list[Any]) -> list[str]:
            raise NotImplementedError

    def evaluate(_: str, answers: Answers) -> Figures:
        result = simple_evaluate(Scripted(answers), tasks=[name], task_manager=manager)
        found = result["results"][name]
        return {key.removesuffix(",none"): value for key, value in found.items() if key.endswith(",none")}

    return f"lmms-eval {version('lmms-eval')}", asked, evaluate


def vlmevalkit(folder: Path) -> tuple[str, list[Asked], Evaluate]:
    """The dataset, built as run.py builds it, and its evaluation of a file of predictions."""
    import vlmeval
    import vlmeval.dataset
    from PIL import Image
    from vlmeval.smp import dump

    spec = importlib.util.spec_from_file_location("mmrad_vlmevalkit", folder / "mmrad_vlmevalkit.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    vlmeval.dataset.DATASET_CLASSES.append(module.MmradInspection)
    dataset = vlmeval.dataset.build_dataset("mmrad", coordinates=SPACE)
    asked = []
    for number in range(len(dataset)):
        parts = dataset.build_prompt(number)
        paths = [part["value"] for part in parts if part["type"] == "image"]
        row = dataset[number]
        sizes = [Image.open(path).size for path in paths]
        asked.append(Asked(row["sample_id"], row["answer"], paths, sizes))
    scratch = Path(tempfile.mkdtemp())

    def evaluate(name: str, answers: Answers) -> Figures:
        predicted = dataset.data.copy()
        predicted["prediction"] = [answers[sample] for sample in predicted["sample_id"]]
        path = str(scratch / f"{name}.xlsx")
        dump(predicted, path)
        found: Figures = dataset.evaluate(path)
        return found

    return f"VLMEvalKit {vlmeval.__version__}", asked, evaluate


TOOLS = {"lmms_eval": lmms_eval, "vlmevalkit": vlmevalkit}

FIGURES = ("accuracy", "recall", "precision", "iou0.1_accuracy", "iou0.5_accuracy", "unanswered")


def answers_of(asked: Sequence[Asked]) -> dict[str, tuple[Answers, tuple[float, ...]]]:
    """Answers by kind, with the figures they should get, in the order of `FIGURES`."""

    def all_of(answer: Callable[[bool], str]) -> Answers:
        return {one.name: answer("Yes" in one.answer) for one in asked}

    box = "{'bbox_2d': [0, 0, 9, 9], 'label': 'scratch'}"
    nan = math.nan
    return {
        "perfect": ({one.name: f"<think>So.</think>{one.answer}" for one in asked}, (1, 1, 1, 1, 1, 0)),
        "opposite": (all_of(lambda yes: "No." if yes else f"Yes. {box}"), (0, 0, 0, 0, 0, 0)),
        "misplaced": (all_of(lambda yes: f"Yes. {box}" if yes else "No."), (1, 1, 1, 0, 0, 0)),
        "unreadable": (all_of(lambda _: "No scratch, or is there one?"), (0, 0, nan, 0, 0, 1)),
    }


def check(tool: str, folder: Path, min_pixels: int) -> bool:
    """Print what a tool shows and how it scores; whether both are as they should be."""
    name, asked, evaluate = TOOLS[tool](folder.resolve())
    print(f"\n{name}, transformers {version('transformers')}, Python {sys.version.split()[0]}")
    good = bool(asked)
    for one in asked:
        after = resized(one.images, min_pixels)
        same = one.shown == after
        good &= same
        print(f"{one.name}: shown {one.shown}, resized {after}: {'same' if same else 'DIFFERENT'}")
        print(f"  {one.answer}")
    for kind, (answers, expected) in answers_of(asked).items():
        figures = evaluate(kind, answers)
        found = tuple(float(figures[figure]) for figure in FIGURES)
        fits = all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(found, expected, strict=True))
        good &= fits
        told = json.dumps(dict(zip(FIGURES, found, strict=True)))
        print(f"{kind}: {told}{'' if fits else f' EXPECTED {expected}'}")
    return good


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tool", choices=["make", *TOOLS])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--min-pixels", type=int, default=MIN_PIXELS)
    asked = parser.parse_args()
    if asked.tool == "make":
        make(asked.folder)
    else:
        sys.exit(not check(asked.tool, asked.folder, asked.min_pixels))


if __name__ == "__main__":
    main()
