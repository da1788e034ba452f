"""Ablations with trainings that only write down what they were asked: for tests of what runs them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benched import NO, Writer, yes
from mmrad.bench import bench
from mmrad.box import Box
from mmrad.corpus import Corpus, Reference, SourceInfo, write_corpus
from mmrad.image import encode_png
from mmrad.inspectors import InspectionSettings
from mmrad.sample import Region, Sample, Verdict
from mmrad.train.ablation import ablate as module
from mmrad.train.ablation.rows import AblationRecipe, Judging
from mmrad.train.examples.example import Examples
from mmrad.train.recipe import Asking, Base, Data, Recipe, Reinforcement, Supervised

SIZE_WH = (84, 56)
PLACE = Box(10, 20, 40, 50)


def make_sources(folder: Path, count: int = 4) -> Corpus:
    """Sources `mvtec` and `other` with `count` queries each; every second one has a fault at `PLACE`."""
    (folder / "raw").mkdir(parents=True)
    infos, samples = {}, []
    for source in ("mvtec", "other"):
        infos[source] = SourceInfo(adapter="made", root="raw", licence="CC0-1.0")
        for number in range(count):
            name = f"{source}{number}.png"
            grey = np.full((SIZE_WH[1], SIZE_WH[0], 3), 10 * number + 40, np.uint8)
            (folder / "raw" / name).write_bytes(encode_png(grey))
            regions = (Region(PLACE, "scratch"),) if number % 2 else ()
            sample_id = f"{source}/part/test/{number}"
            samples.append(Sample(sample_id, source, "part", "test", name, SIZE_WH, regions, "CC0-1.0"))
    corpus = write_corpus(folder, infos, samples)
    corpus.write_references(
        Reference(sample.id, 0, f"{sample.source}0.png", "random", 0.0) for sample in samples
    )
    return corpus


def recipe_on(corpus: Corpus, start: Path, **changed: Any) -> AblationRecipe:
    """A recipe that begins with the model in `start` and holds `mvtec` out."""
    start.mkdir(parents=True, exist_ok=True)
    (start / "trainings.json").write_text("[]")
    values = {
        "name": "tiny",
        "data": Data(corpus=corpus.path, hold_out=("mvtec",), texts="fresh"),
        "asking": Asking(max_tokens=24),
        "base": Base(path=str(start)),
        "sft": Supervised(steps=2),
        "grpo": Reinforcement(steps=4, prompts=4, responses=2),
        "judging": Judging(temperature=0.0),
        "seeds": (0,),
    }
    return AblationRecipe(**{**values, **changed})


class Trainings:
    """In the place of `sft` and `grpo`: a model is the list of the trainings behind it.

    Attributes:
        calls: The recipe and the start of each call.
        fail_at: Number of the call that fails; None for none.
        seconds: How long each of the three steps of a training takes; they are done once each.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self.calls: list[tuple[Recipe, str]] = []
        self.fail_at: int | None = None
        self.seconds = seconds

    def __call__(
        self, recipe: Recipe, examples: Examples, out: Path, *, start: str | Path, progress: Any
    ) -> Path:
        self.calls.append((recipe, str(start)))
        if self.fail_at == len(self.calls):
            raise KeyboardInterrupt
        behind = json.loads((Path(start) / "trainings.json").read_text())
        for step in range(3):
            self._step(out, step)
        (out / "part").mkdir(exist_ok=True)
        kind = "sft" if recipe.sft else "grpo"
        (out / "part" / "trainings.json").write_text(json.dumps([*behind, f"{kind} {recipe.name}"]))
        return (out / "part").rename(out / "model")

    def _step(self, out: Path, step: int) -> None:
        done = out / f"step-{step}"
        if not done.exists():
            time.sleep(self.seconds)
            done.parent.mkdir(parents=True, exist_ok=True)
            with (out / "steps.txt").open("a") as log:
                log.write(f"{step}\n")
            done.touch()

    def replace(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "sft", self)
        monkeypatch.setattr(module, "grpo", self)


class Judge:
    """Answers by `mmrad bench`; a model finds the faults of as many queries as it has trainings behind it.

    Attributes:
        asked: Name, settings, references and sample ids of each call.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self.asked: list[tuple[str, InspectionSettings, int, list[str]]] = []
        self.seconds = seconds

    def __call__(
        self,
        model: Path,
        settings: InspectionSettings,
        corpus: Corpus,
        samples: Sequence[Sample],
        out: Path,
        *,
        name: str,
        references: int,
    ) -> Mapping[str, Verdict]:
        self.asked.append((name, settings, references, [sample.id for sample in samples]))
        behind = json.loads((model / "trainings.json").read_text())
        found = {sample.id for sample in [one for one in samples if one.anomalous][: len(behind)]}

        def text(sample: Sample) -> str:
            time.sleep(self.seconds)
            return yes(7, 10, 27, 25) if sample.id in found else NO

        return bench(corpus, samples, Writer(text, name), out, references=references).verdicts
