from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_score, recall_score

from mmrad.metrics.detection import COLUMNS, detection_counts, detection_figures

OUTCOMES = [
    (True, True, "tp"),
    (False, True, "fp"),
    (True, False, "fn"),
    (False, False, "tn"),
    (True, None, "unanswered_anomalous"),
    (False, None, "unanswered_normal"),
]


@pytest.mark.parametrize(("truth", "judged", "outcome"), OUTCOMES)
def test_each_query_has_one_outcome(truth: bool, judged: bool | None, outcome: str) -> None:
    counts = detection_counts(truth, judged)
    assert counts.sum() == 1
    assert counts[COLUMNS.index(outcome)] == 1


@settings(max_examples=100)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_agrees_with_scikit_learn_when_all_is_answered(queries: list[tuple[bool, bool]]) -> None:
    truth, judged = zip(*queries, strict=True)
    figures = detection_figures(np.sum([detection_counts(*query) for query in queries], axis=0))
    assert figures["accuracy"] == pytest.approx(accuracy_score(truth, judged))
    assert figures["recall"] == pytest.approx(recall_score(truth, judged, zero_division=np.nan), nan_ok=True)
    expected = precision_score(truth, judged, zero_division=np.nan)
    assert figures["precision"] == pytest.approx(expected, nan_ok=True)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([True, False, None])), min_size=1))
def test_unanswered_scores_like_the_wrong_answer_except_in_precision(
    queries: list[tuple[bool, bool | None]],
) -> None:
    wrong = [(truth, (not truth) if judged is None else judged) for truth, judged in queries]
    ours = detection_figures(np.sum([detection_counts(*query) for query in queries], axis=0))
    as_wrong = detection_figures(np.sum([detection_counts(*query) for query in wrong], axis=0))
    assert ours["accuracy"] == as_wrong["accuracy"]
    assert ours["recall"] == pytest.approx(as_wrong["recall"], nan_ok=True)
    answered = [query for query in queries if query[1] is not None]
    if answered:
        alone = detection_figures(np.sum([detection_counts(*query) for query in answered], axis=0))
        assert ours["precision"] == pytest.approx(alone["precision"], nan_ok=True)


def test_undefined_is_nan_and_not_zero() -> None:
    only_normal = detection_figures(detection_counts(False, False))
    assert np.isnan(only_normal["recall"])
    assert np.isnan(only_normal["precision"])
    assert only_normal["accuracy"] == 1
