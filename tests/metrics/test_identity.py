from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from mmrad.box import Box
from mmrad.metrics import by_size, by_type, calibration, faithfulness_rates, score, scorer_hash, task_hash
from mmrad.sample import Region, Sample, Verdict

MakeSample = Callable[..., Sample]

GOLDEN: dict[str, dict[str, float | None]] = {
    "dde52250d0cf347a": {
        "accuracy": 0.6875,
        "recall": 0.725,
        "precision": 0.715,
        "iou0.1_accuracy": 0.325806,
        "iou0.1_recall": 0.5,
        "iou0.1_precision": 0.4675,
        "iou0.3_accuracy": 0.325806,
        "iou0.3_recall": 0.5,
        "iou0.3_precision": 0.4675,
        "iou0.5_accuracy": 0.261765,
        "iou0.5_recall": 0.425,
        "iou0.5_precision": 0.4075,
        "auroc": None,
        "average_precision": None,
        "answered accuracy": 0.763889,
        "answered recall": 0.847222,
        "answered precision": 0.715,
        "answered iou0.1_accuracy": 0.356764,
        "answered iou0.1_recall": 0.576389,
        "answered iou0.1_precision": 0.4675,
        "answered iou0.3_accuracy": 0.356764,
        "answered iou0.3_recall": 0.576389,
        "answered iou0.3_precision": 0.4675,
        "answered iou0.5_accuracy": 0.28726,
        "answered iou0.5_recall": 0.493056,
        "answered iou0.5_precision": 0.4075,
        "answered auroc": 0.563194,
        "answered average_precision": 0.590729,
        "below 0.1 % recall": 0.638889,
        "below 0.1 % iou0.1_recall": 0.472222,
        "below 0.1 % iou0.3_recall": 0.472222,
        "below 0.1 % iou0.5_recall": 0.472222,
        "0.1-1 % recall": 0.428571,
        "0.1-1 % iou0.1_recall": 0.428571,
        "0.1-1 % iou0.3_recall": 0.428571,
        "0.1-1 % iou0.5_recall": 0.214286,
        "1-10 % recall": 0.857143,
        "1-10 % iou0.1_recall": 0.642857,
        "1-10 % iou0.3_recall": 0.642857,
        "1-10 % iou0.5_recall": 0.642857,
        "10 % and more recall": None,
        "10 % and more iou0.1_recall": None,
        "10 % and more iou0.3_recall": None,
        "10 % and more iou0.5_recall": None,
        "dent recall": 0.638889,
        "dent iou0.1_recall": 0.458333,
        "dent iou0.3_recall": 0.458333,
        "dent iou0.5_recall": 0.458333,
        "rare types recall": 0.954545,
        "rare types iou0.1_recall": 0.613636,
        "rare types iou0.3_recall": 0.613636,
        "rare types iou0.5_recall": 0.477273,
        "boxes_named": 0.8175,
        "boxes_answered": 0.458333,
        "labels_named": 1.0,
        "verdict_agrees": 0.555556,
        "ece": 0.251852,
        "brier": 0.305185,
        "map accuracy": 0.527778,
        "map recall": 0.0,
        "map precision": None,
        "map iou0.1_accuracy": 0.356764,
        "map iou0.1_recall": 0.576389,
        "map iou0.1_precision": 0.4675,
        "map iou0.3_accuracy": 0.356764,
        "map iou0.3_recall": 0.576389,
        "map iou0.3_precision": 0.4675,
        "map iou0.5_accuracy": 0.28726,
        "map iou0.5_recall": 0.493056,
        "map iou0.5_precision": 0.4075,
        "map auroc": 0.563194,
        "map average_precision": 0.590729,
    },
}
"""Figures of fixed verdicts by scorer: whoever changes a figure raises `SCORER` and adds an entry."""


def _fixed() -> tuple[list[Sample], dict[str, Verdict]]:
    """Verdicts of all kinds on two categories, from a seed."""
    rng = random.Random(6)
    samples, verdicts = [], {}
    for i in range(60):
        x, y, side = rng.randint(0, 300), rng.randint(0, 100), rng.choice([8, 20, 80])
        truth = Region(Box(x, y, x + side, y + side / 2), rng.choice(["dent", "Dent ", "scratch", "hole"]))
        regions = (truth,) if i % 2 else ()
        sample = Sample(
            f"p/c{i % 3 > 0}/test/{i}", "p", f"c{i % 3 > 0}", "test", f"{i // 2}.png", (400, 200), regions, ""
        )
        shift = rng.choice([0, 2, 8, 90])
        found = Region(truth.box.shifted(shift, 0), truth.label)
        yes = rng.random() < (0.8 if i % 2 else 0.3)
        numbers = [round(value) for value in found.box.xyxy]
        named = numbers if rng.random() < 0.7 else [1, 2, 3, 4]
        end = "There is a defect." if rng.random() < 0.8 else "There are no defects."
        text = f"<think>Look at {named}: {truth.label}. {end}</think><answer>"
        text += f"Yes. {{'bbox_2d': {numbers}, 'label': '{truth.label}'}}</answer>" if yes else "No.</answer>"
        probability = round(rng.random(), 1)
        samples.append(sample)
        if i % 19 == 7:
            verdicts[sample.id] = Verdict(None, (), "", "", None, "refused")
        elif i % 23 != 5:
            verdicts[sample.id] = Verdict(
                yes, (found,) if yes else (), "", text, probability, "ok", score_kind="probability"
            )
    return samples, verdicts


def _figures() -> dict[str, float | None]:
    samples, verdicts = _fixed()
    answered = [
        sample for sample in samples if sample.id in verdicts and verdicts[sample.id].score is not None
    ]
    found: dict[str, float | None] = {}
    for name, figure in score(samples, verdicts).overall.figures.items():
        found[name] = figure.value
    for name, figure in score(answered, verdicts).overall.figures.items():
        found[f"answered {name}"] = figure.value
    # Places on a map count although the image is called normal.
    maps = {s.id: replace(verdicts[s.id], anomalous=False, score_kind="map") for s in answered}
    for name, figure in score(answered, maps).overall.figures.items():
        found[f"map {name}"] = figure.value
    for group in (*by_size(samples, verdicts), *by_type(samples, verdicts)):
        for name, figure in group.figures.items():
            found[f"{group.name} {name}"] = figure.value
    for name, figure in faithfulness_rates(samples, verdicts).figures.items():
        found[name] = figure.value
    calibrated = calibration(samples, verdicts)
    return found | {"ece": calibrated.ece, "brier": calibrated.brier}


def test_no_figure_changes_without_another_scorer() -> None:
    expected = GOLDEN[scorer_hash()]
    found = _figures()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == (None if value is None else pytest.approx(value, abs=1e-6)), name


def test_the_task_is_the_queries_and_their_truth(sample: MakeSample) -> None:
    samples = [sample("a", [(1, 2, 30, 40), (50, 50, 60, 70)]), sample("b")]
    assert task_hash(samples) == task_hash(samples[::-1])
    a, b = samples
    swapped = replace(a, regions=a.regions[::-1])
    assert task_hash([swapped, b]) == task_hash(samples)
    moved = Region(Box(1, 2, 30, 41), "dent")
    for other in (
        [a],
        [a, replace(b, id="plant/bolt/test/c")],
        [a, replace(b, size_wh=(100, 101))],
        [replace(a, regions=(moved, a.regions[1])), b],
        [replace(a, regions=(Region(a.regions[0].box, "hole"), a.regions[1])), b],
    ):
        assert task_hash(other) != task_hash(samples)


def test_the_scorer_is_its_version_and_its_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    before = scorer_hash()
    assert len(before) == 16
    for name, value in {"SCORER": -1, "IOU_THRESHOLDS": (0.1,), "LEVEL": 0.9}.items():
        with monkeypatch.context() as patch:
            patch.setattr(f"mmrad.metrics.identity.{name}", value)
            assert scorer_hash() != before
