"""A choice of samples in words and in addresses."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from mmrad.corpus.reviews import Status
from mmrad.errors import UsageError
from mmrad.review.criteria import Criteria, Order, Verdict
from mmrad.review.pages.choice import ORDER_NAMES, STATUS_NAMES, VERDICT_NAMES, from_query, title_of, to_query

names = st.lists(st.text(min_size=1, max_size=20), max_size=3, unique=True).map(tuple)


def some_of(kind: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.sampled_from(get_args(kind)), max_size=3, unique=True).map(tuple)


choices = st.builds(
    Criteria,
    sources=names,
    labels=names,
    anomalous=st.none() | st.booleans(),
    statuses=some_of(Status),
    run=st.none() | st.text(min_size=1),
    verdicts=some_of(Verdict),
    teachers_disagree=st.booleans(),
    smallest=st.none() | st.floats(0.5, 1e6),
    search=st.text(),
    order=st.sampled_from(get_args(Order)),
    limit=st.none() | st.integers(1, 10**6),
)


@given(choices)
def test_an_address_brings_the_same_choice_back(criteria: Criteria) -> None:
    assert from_query(QueryParams(to_query(criteria))) == criteria


def test_everything_needs_no_query() -> None:
    assert to_query(Criteria()) == ""


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("colour=red", "colour"),
        ("smallest=-3", "smallest"),
        ("statuses=fine", "statuses"),
        ("anomalous=perhaps", "anomalous"),
    ],
)
def test_an_address_that_asks_for_nonsense_is_refused(query: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        from_query(QueryParams(query))


@pytest.mark.parametrize(
    ("criteria", "title"),
    [
        (Criteria(), "Everything"),
        (Criteria(sources=("mvtec", "visa"), findings=("near_duplicate",)), "Mvtec or visa, near duplicate"),
        (Criteria(labels=tuple("abcde")), "A or b or 3 others"),
        (Criteria(failed_checks=("iou",), anomalous=True), "Text fails iou, anomalous"),
        (Criteria(run="model", verdicts=("missed",)), "Missed by model"),
        (Criteria(run="model", order="uncertain"), "Everything, least certain of model first"),
        (
            Criteria(statuses=("keep",), smallest=8, search="part/0"),
            "Kept, a region of at most 8 px, “part/0”",
        ),
    ],
)
def test_a_title_says_what_was_chosen(criteria: Criteria, title: str) -> None:
    assert title_of(criteria) == title


def test_there_is_a_word_for_every_state() -> None:
    assert set(STATUS_NAMES) == set(get_args(Status))
    assert set(VERDICT_NAMES) == set(get_args(Verdict))
    assert set(ORDER_NAMES) == set(get_args(Order))
