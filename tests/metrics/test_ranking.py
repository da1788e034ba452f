from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from mmrad.metrics.ranking import auroc, average_precision, ranking_figures

# Few distinct scores, so that most lists have ties.
ranked = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), st.booleans()), min_size=2).filter(
    lambda rows: len({truth for _, truth in rows}) == 2
)


@settings(max_examples=100)
@given(ranked)
def test_agree_with_scikit_learn(rows: list[tuple[float, bool]]) -> None:
    scores, truth = (list(column) for column in zip(*rows, strict=True))
    assert auroc(scores, truth) == pytest.approx(roc_auc_score(truth, scores))
    assert average_precision(scores, truth) == pytest.approx(average_precision_score(truth, scores))


@settings(max_examples=100)
@given(ranked)
def test_auroc_of_the_opposite_truth_is_the_rest(rows: list[tuple[float, bool]]) -> None:
    scores, truth = (list(column) for column in zip(*rows, strict=True))
    area, opposite = auroc(scores, truth), auroc(scores, [not value for value in truth])
    assert area is not None
    assert opposite == pytest.approx(1 - area)


@pytest.mark.parametrize("measure", [auroc, average_precision])
@pytest.mark.parametrize(
    ("scores", "truth"),
    [
        ([0.1, 0.9], [True, True]),
        ([0.1, 0.9], [False, False]),
        ([0.1, None, 0.9], [False, True, True]),
        ([0.1, float("nan")], [False, True]),
        ([], []),
    ],
    ids=["no normal", "no anomalous", "score missing", "score not a number", "nothing"],
)
def test_undefined_is_none(measure: type, scores: list[float | None], truth: list[bool]) -> None:
    assert measure(scores, truth) is None


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="2 scores but 1"):
        auroc([0.1, 0.2], [True])


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.9]), st.booleans(), st.integers(0, 3)),
        min_size=2,
        max_size=30,
    )
)
def test_draws_are_sklearns_figures_of_weighted_queries(rows: list[tuple[float, bool, int]]) -> None:
    scores, truth, weights = (np.array(column) for column in zip(*rows, strict=True))
    found = ranking_figures(list(scores), list(truth), weights[None].astype(float))
    if len(set(truth[weights > 0])) < 2:
        assert np.isnan(found["auroc"]).all() and np.isnan(found["average_precision"]).all()
        return
    assert found["auroc"][0] == pytest.approx(roc_auc_score(truth, scores, sample_weight=weights))
    assert found["average_precision"][0] == pytest.approx(
        average_precision_score(truth, scores, sample_weight=weights)
    )


def test_large_categories_are_ranked_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    scores, truth = list(rng.random(50)), list(rng.random(50) < 0.5)
    weights = rng.integers(0, 3, (7, 50)).astype(float)
    whole = ranking_figures(scores, truth, weights)
    monkeypatch.setattr("mmrad.metrics.ranking._CELLS", 101)
    parts = ranking_figures(scores, truth, weights)
    for name in whole:
        np.testing.assert_array_equal(parts[name], whole[name])
