r"""Have lmms-eval, VLMEvalKit and mmrad bench ask one model about one corpus, and compare the figures.

    PYTHONPATH=src:tests .venv/bin/python docs/checks/same_figures.py SCRATCH \
        --lmms-eval VENV/bin/python --vlmevalkit VENV/bin/python --kit VLMEvalKit

The model is a local OpenAI-compatible server that tells the sample by the pixels of the last image, and
answers in one of several ways: rightly, with boxes beside the place, with the opposite, unreadably, with
nothing, or with HTTP 500. Both programs are run whole, from virtual environments of their own with mmrad in
them. Then their files of predictions are imported. It ends with 1 when a figure differs by 0.0005 or the
wordings differ.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import base64
import io
import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmrad.answer import Instance
from mmrad.bench import Run, bench
from mmrad.bench.imported import import_run
from mmrad.box import Box
from mmrad.coordinates import CoordinateSpace, from_view
from mmrad.corpus import Corpus, Reference
from mmrad.endpoint import Endpoint
from mmrad.export.benchmark import figures
from mmrad.export.lmms_eval import export_lmms_eval
from mmrad.export.vlmevalkit import export_vlmevalkit
from mmrad.factory import factory_roots, make_factory
from mmrad.image import read_image
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.chat_inspector import ChatInspector
from mmrad.metrics import score
from mmrad.sources import build_corpus
from mmrad.view import View, make_view
from servers import Call, FaultServer, fails, says

MODEL = "scripted"
CLOSE = 0.0005

Figures = dict[str, float]


def make_corpus(folder: Path) -> Corpus:
    """Made-up products in four layouts, each query with a normal image of its category as reference."""
    make_factory(folder / "raw", seed=1, train=1, good=2, per_anomaly=1, workers=1)
    corpus = build_corpus(factory_roots(folder / "raw"), folder / "corpus").corpus
    normal = {(s.source, s.category): s.image for s in corpus.samples if s.split == "train"}
    corpus.write_references(
        Reference(sample.id, 0, normal[sample.source, sample.category], "random", 0.0)
        for sample in corpus.samples
        if sample.split == "test"
    )
    return Corpus(folder / "corpus")


class Scripted:
    """What the model answers to each sample.

    Args:
        corpus: The corpus.
        settings: How is asked, with the convention of the boxes.
    """

    def __init__(self, corpus: Corpus, settings: InspectionSettings) -> None:
        self.settings = settings
        self.samples = corpus.select(splits=["test"])
        self.views = [
            make_view(read_image(corpus.resolve(sample.source, sample.image)), settings.budget)
            for sample in self.samples
        ]
        self.asked: Counter[str] = Counter()
        self.wordings: set[str] = set()

    def __call__(self, call: Call) -> None:
        """Answer a request."""
        parts = call.body["messages"][-1]["content"]
        url = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"][-1]
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"))
        index = self._nearest(shown)
        self.asked[self.samples[index].id] += 1
        self.wordings.add("".join(part["text"] for part in parts if part["type"] == "text"))
        text = self.answer(index)
        (fails(500) if text is None else says(text))(call)

    def _nearest(self, shown: Any) -> int:
        """VLMEvalKit sends JPEG, so that pixels are not quite the same."""
        same = [i for i, view in enumerate(self.views) if view.image.shape == shown.shape]
        differences = [float(np.abs(self.views[i].image.astype(int) - shown).mean()) for i in same]
        return same[int(np.argmin(differences))]

    def answer(self, index: int) -> str | None:
        """The answer to a sample; None for HTTP 500."""
        sample, view = self.samples[index], self.views[index]
        truth = [Instance(view.to_view(region.box), region.label) for region in sample.regions]
        kind = 0 if self.settings.confidence and index % 8 > 3 else index % 8
        match kind:
            case 2:
                truth = [replace(one, box=shifted(one.box)) for one in truth]
            case 3:
                truth = [] if truth else [Instance(Box(1, 1, 30, 40), "dent")]
            case 4:
                return "I see no scratch, or is there one?"
            case 5:
                return None
            case 6:
                return " "
            case 7:
                truth = truth[1:]
        places = ", ".join(self._place(one, view) for one in truth)
        sure = f"<confidence>{(37 * index) % 101}</confidence>" if self.settings.confidence else ""
        return f"<think>I look.\n\nSo.</think><answer>{'Yes. ' + places if truth else 'No.'}</answer>{sure}"

    def _place(self, one: Instance, view: View) -> str:
        box = from_view(one.box, self.settings.space, view)
        return f"{{'bbox_2d': {[round(value, 3) for value in box.xyxy]}, 'label': 'it'}}"


def shifted(box: Box) -> Box:
    """A box moved by half of its width."""
    half = (box.x2 - box.x1) / 2
    return Box(box.x1 + half, box.y1, box.x2 + half, box.y2)


def run_program(command: list[str], log: Path, **environment: str) -> None:
    """Run a harness; its output goes to a file."""
    with log.open("w") as file:
        done = subprocess.run(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OPENAI_API_KEY": "none", **environment},
            cwd=log.parent,
        )
    if done.returncode:
        sys.exit(f"{command[0]} ended with {done.returncode}; see {log}")


def lmms_eval(python: str, out: Path, task: str, url: str) -> tuple[Figures, Path]:
    """Figures and the log of samples of lmms-eval."""
    results = out.parent / "lmms_eval_results"
    arguments = f"model={MODEL},base_url={url},max_retries=1,num_concurrent=8"
    command = [
        python, "-m", "lmms_eval", "--model", "openai", "--model_args", arguments, "--include_path", str(out),
        "--tasks", task, "--batch_size", "8", "--log_samples", "--output_path", str(results),
    ]  # fmt: skip
    run_program(command, out.parent / "lmms_eval.log")
    (summary,) = results.rglob("*_results.json")
    (samples,) = results.rglob(f"*_samples_{task}.jsonl")
    found = json.loads(summary.read_text())["results"][task]
    return {
        key.removesuffix(",none"): as_number(value)
        for key, value in found.items()
        if key.endswith(",none") and "stderr" not in key
    }, samples


def vlmevalkit(python: str, kit: Path, out: Path, space: str, url: str) -> tuple[Figures, Path]:
    """Figures and the table of predictions of VLMEvalKit."""
    results = out.parent / "vlmevalkit_results"
    data = {"mmrad": {"class": "MmradInspection", "dataset": "mmrad", "coordinates": space}}
    command = [
        python, str(out / "mmrad_vlmevalkit.py"), str(kit / "run.py"), "--model", MODEL, "--base-url", url,
        "--data", "mmrad", "--data-config", json.dumps(data), "--work-dir", str(results), "--retry", "1",
        "--api-nproc", "8",
    ]  # fmt: skip
    run_program(command, out.parent / "vlmevalkit.log")
    (table,) = {path.resolve() for path in results.rglob(f"{MODEL}_mmrad.xlsx")}
    scores = json.loads(table.with_name(f"{table.stem}_scores.json").read_text())["overall"]
    found = {name: as_number(figure["value"]) for name, figure in scores["figures"].items()}
    return {**found, "unanswered": sum(scores["unanswered"].values()) / scores["samples"]}, table


def as_number(value: Any) -> float:
    """A figure; what is undefined is written in many ways."""
    return float(value) if isinstance(value, int | float) else math.nan


def figures_of(run: Run) -> Figures:
    """The figures of a run."""
    return figures(score(run.samples, run.verdicts))


def check(scratch: Path, corpus: Corpus, settings: InspectionSettings, asked: argparse.Namespace) -> bool:
    """All figures of one convention; whether they are the same."""
    space = settings.space.value
    folder = scratch / space
    samples = corpus.select(splits=["test"])
    export_lmms_eval(corpus, folder / "lmms_eval", settings=settings)
    export_vlmevalkit(corpus, folder / "vlmevalkit", settings=settings)
    found: dict[str, Figures] = {}
    files: dict[str, Path] = {}
    wordings: dict[str, set[str]] = {}

    def against(name: str, work: Callable[[str], Figures]) -> None:
        scripted = Scripted(corpus, settings)
        with FaultServer(default=scripted) as server:
            found[name] = work(server.base_url)
        wordings[name] = scripted.wordings
        print(f"{space}, {name}: asked about {len(scripted.asked)} of {len(samples)} samples")

    def by_bench(url: str) -> Figures:
        inspector = ChatInspector(Endpoint(MODEL, url), settings)
        return figures_of(bench(corpus, samples, inspector, folder / "runs"))

    def by_lmms_eval(url: str) -> Figures:
        values, files["lmms-eval"] = lmms_eval(asked.lmms_eval, folder / "lmms_eval", f"mmrad_{space}", url)
        return values

    def by_vlmevalkit(url: str) -> Figures:
        values, files["VLMEvalKit"] = vlmevalkit(
            asked.vlmevalkit, asked.kit, folder / "vlmevalkit", space, url
        )
        return values

    against("mmrad bench", by_bench)
    against("lmms-eval", by_lmms_eval)
    against("VLMEvalKit", by_vlmevalkit)
    for name, file in files.items():
        imported = import_run(corpus, samples, file, folder / "runs", name=name)
        found[f"{name}, imported"] = figures_of(imported.run)
        print(imported.describe())
    same_words = len({frozenset(words) for words in wordings.values()}) == 1
    print(f"asked in the same {len(wordings['mmrad bench'])} wordings: {same_words}")
    return same_words & table(found)


def table(found: dict[str, Figures]) -> bool:
    """Print the figures side by side; whether they are the same."""
    good = True
    print(f"{'':24}", *(f"{name:>22}" for name in found))
    for figure in found["mmrad bench"]:
        values = [values[figure] for values in found.values()]
        same = all(math.isnan(value) for value in values) or max(values) - min(values) < CLOSE
        good &= same
        print(f"{figure:24}", *(f"{value:22.6f}" for value in values), "" if same else "DIFFERENT")
    return good


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--lmms-eval", required=True)
    parser.add_argument("--vlmevalkit", required=True)
    parser.add_argument("--kit", type=Path, required=True)
    asked = parser.parse_args()
    asked.kit = asked.kit.resolve()
    scratch = asked.scratch.resolve()
    corpus = make_corpus(scratch)
    ways = [
        InspectionSettings(),
        InspectionSettings(space=CoordinateSpace.THOUSAND_YX, confidence=True),
    ]
    results = [check(scratch, corpus, settings, asked) for settings in ways]
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
