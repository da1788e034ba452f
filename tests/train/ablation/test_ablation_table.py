from pathlib import Path

import numpy as np
import pytest

from ablated import PLACE, make_sources, recipe_on
from mmrad.box import Box
from mmrad.metrics import score
from mmrad.metrics.scores import COUNTED_FIGURES, sample_counts
from mmrad.sample import Region, Sample, Verdict
from mmrad.train.ablation.figures import Counts, estimate, figure_draws
from mmrad.train.ablation.rows import ROWS
from mmrad.train.ablation.table import AblationTable, Judged, published_rows, tabulate

FULL = "Full Model"
ACCURACY = COUNTED_FIGURES.index("accuracy")


def queries(categories: int = 2, each: int = 10) -> list[Sample]:
    """Every second one has a fault at `PLACE`."""
    return [
        Sample(
            f"mvtec/{category}/{number}", "mvtec", str(category), "test", f"{category}{number}.png", (84, 56),
            (Region(PLACE, "scratch"),) if number % 2 else (), "CC0-1.0",
        )
        for category in range(categories)
        for number in range(each)
    ]  # fmt: skip


def verdicts(samples: list[Sample], wrong: set[int], moved: bool = False) -> dict[str, Verdict]:
    """Right ones but for those of the numbers in `wrong`; with `moved` no place is at the true one."""
    box = Box(60, 0, 80, 10) if moved else PLACE
    found = {}
    for number, sample in enumerate(samples):
        anomalous = sample.anomalous != (number in wrong)
        regions = (Region(box, "scratch"),) if anomalous else ()
        found[sample.id] = Verdict(anomalous, regions, "", "text", None, "ok")
    return found


def counts(samples: list[Sample], found: dict[str, Verdict]) -> Counts:
    return {sample.id: sample_counts(sample, found.get(sample.id)).tolist() for sample in samples}


def table_of(tmp_path: Path, judged: dict[tuple[str, int], Counts], samples: list[Sample]) -> AblationTable:
    recipe = recipe_on(make_sources(tmp_path / "corpus"), tmp_path / "base")
    return tabulate(recipe, {"mvtec, held out": samples}, Judged(judged))


def test_figures_are_those_of_the_scorer():
    samples = queries()
    seeds = [verdicts(samples, {1, 3}), verdicts(samples, {0, 2, 13}, moved=True)]
    del seeds[1][samples[5].id]
    draws = figure_draws(samples, [counts(samples, one) for one in seeds])
    for model, found in zip(draws, seeds, strict=True):
        expected = score(samples, found).overall.figures
        assert dict(zip(COUNTED_FIGURES, model[0], strict=True)) == pytest.approx(
            {name: expected[name].value for name in COUNTED_FIGURES}
        )
    one = estimate(draws[:1, :, ACCURACY])
    known = score(samples, seeds[0]).overall.figures["accuracy"]
    assert (one.low, one.high) == pytest.approx((known.low, known.high), abs=0.03)


def test_intervals_hold_seeds_and_images():
    images = np.linspace(-0.1, 0.1, 201)
    seeds = np.array([[0.5], [0.6], [0.7]])
    draws = np.concatenate([seeds, seeds + images], axis=1)
    found = estimate(draws)
    # Student's t with two degrees of freedom: 4.3027 x 0.1 / sqrt(3); the images' own: 0.95 x 0.1.
    half = np.hypot(4.3027 * 0.1 / np.sqrt(3), 0.095)
    assert (found.value, found.low, found.high) == pytest.approx((0.6, 0.6 - half, 0.6 + half), abs=1e-4)
    only = estimate(draws[:1])
    assert (only.value, only.low, only.high, only.seeds) == pytest.approx((0.5, 0.405, 0.595, 1))
    wide = estimate(np.array([[0.1, 0.1], [0.9, 0.9]]))
    assert (wide.low, wide.high) == (0.0, 1.0)
    assert estimate(np.array([[-0.9, -0.9], [0.9, 0.9]]), least=-1.0).low == -1.0


def test_an_undefined_figure_is_no_zero():
    found = estimate(np.array([[np.nan, np.nan], [0.5, 0.5]]))
    assert (found.value, found.low, found.high, found.seeds) == (0.5, 0.5, 0.5, 1)
    none = estimate(np.full((2, 3), np.nan))
    assert (none.value, none.percent()) == (None, "-")


def test_intervals_cover_what_they_should():
    """Models and images drawn from known chances: 95 % intervals hold the truth about that often."""
    rng = np.random.default_rng(0)
    samples = queries(categories=1, each=60)
    covered = 0
    for _ in range(60):
        easy = rng.normal(0, 0.6, len(samples))  # images differ in difficulty, seeds in skill
        seeds = []
        for skill in rng.normal(1.0, 0.3, 3):
            right = rng.random(len(samples)) < 1 / (1 + np.exp(-(skill + easy)))
            wrong = {number for number, good in enumerate(right) if not good}
            seeds.append(counts(samples, verdicts(samples, wrong)))
        found = estimate(figure_draws(samples, seeds, resamples=200)[..., ACCURACY])
        covered += found.low <= _CHANCE <= found.high
    assert covered >= 54, covered


_LATENT = np.random.default_rng(1).normal(1.0, np.hypot(0.6, 0.3), 200_000)
_CHANCE = float((1 / (1 + np.exp(-_LATENT))).mean())


def test_the_table_has_the_papers_figures(tmp_path):
    for dataset in ("MVTecAD", "VisA"):
        assert list(published_rows(dataset)) == [row.title for row in ROWS]
    paper = published_rows("MVTecAD")[FULL]
    assert (paper["accuracy"], paper["iou0.1_accuracy"], paper["iou0.1_precision"]) == (88.8, 66.3, 84.2)
    samples = queries()
    seeds = {("full", seed): counts(samples, verdicts(samples, {seed})) for seed in (0, 1)}
    table = table_of(tmp_path, seeds, samples)
    text = table.to_markdown()
    assert "## Detection: mvtec, held out, 20 queries" in text
    (line,) = table.groups["mvtec, held out"]
    assert line.figures["accuracy"].value == pytest.approx(0.95)
    assert f"| {FULL} | 2 | 0.0 | 95.0 (" in text
    assert " | 88.8 | " in text
    assert not table.orders


def test_unreadable_answers_are_counted(tmp_path):
    samples = queries()
    found = verdicts(samples, set())
    for sample in samples[:4]:
        found[sample.id] = Verdict(None, (), "", "?", None, "unparsed")
    table = table_of(tmp_path, {("full", 0): counts(samples, found)}, samples)
    (line,) = table.groups["mvtec, held out"]
    assert line.unreadable == pytest.approx(0.2)
    assert line.figures["accuracy"].value == pytest.approx(0.8)


def test_the_order_is_compared_with_the_papers(tmp_path):
    samples = queries(categories=2, each=40)
    many, few = set(range(30)), {0, 1, 2, 3}
    judged = {
        # The paper has them in this order.
        **{("full", seed): counts(samples, verdicts(samples, {seed})) for seed in range(3)},
        **{("no-rl", seed): counts(samples, verdicts(samples, many | {40 + seed})) for seed in range(3)},
        **{("no-reasoning", seed): counts(samples, verdicts(samples, few)) for seed in range(3)},
    }
    table = table_of(tmp_path, judged, samples)
    detection = [order for order in table.orders if order.measure == "detection"]
    assert [(order.better, order.worse, order.verdict) for order in detection] == [
        (FULL, "w/o Reinforcement learning", "holds"),
        ("w/o Reinforcement learning", "w/o Reasoning Data", "reversed"),
    ]
    assert detection[0].paper == pytest.approx(88.8 - 84.5)
    assert detection[0].here.value == pytest.approx((31 - 1) / 80)
    assert f"- detection: {FULL} above w/o Reinforcement learning by 4.3 in the paper, +37.5 (" in (
        table.to_markdown()
    )


def test_differences_are_those_of_common_seeds(tmp_path):
    samples = queries()
    judged = {
        ("full", 0): counts(samples, verdicts(samples, {0, 1})),
        ("full", 1): counts(samples, verdicts(samples, set())),
        ("no-rl", 0): counts(samples, verdicts(samples, {0, 1})),
    }
    table = table_of(tmp_path, judged, samples)
    assert {(order.here.value, order.here.seeds, order.verdict) for order in table.orders} == {
        (0.0, 1, "not told apart")
    }
    assert all(str(order).endswith("not told apart, equal") for order in table.orders)
