from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrad.box import Box
from mmrad.coordinates import CoordinateSpace, from_view, to_view
from mmrad.inspectors.base import verdict_from_text
from mmrad.view import View

VIEW = View(np.zeros((280, 560, 3), np.uint8), (2000, 500))
BOX = Box(56, 28, 280, 140)
"""x from a tenth to a half, y from a tenth to a half of the view."""

WRITTEN = {
    CoordinateSpace.VIEW: (56, 28, 280, 140),
    CoordinateSpace.ORIGINAL: (200, 50, 1000, 250),
    CoordinateSpace.THOUSAND: (100, 100, 500, 500),
    CoordinateSpace.THOUSAND_YX: (100, 100, 500, 500),
    CoordinateSpace.UNIT: (0.1, 0.1, 0.5, 0.5),
}


@pytest.mark.parametrize("space", CoordinateSpace)
def test_each_convention_by_example(space: CoordinateSpace) -> None:
    assert from_view(BOX, space, VIEW).xyxy == pytest.approx(WRITTEN[space])
    assert to_view(Box(*WRITTEN[space]), space, VIEW).xyxy == pytest.approx(BOX.xyxy)


def test_gemini_writes_y_first() -> None:
    wide = Box(0, 14, 560, 28)  # all of the width, a thin line high
    assert from_view(wide, CoordinateSpace.THOUSAND_YX, VIEW).xyxy == pytest.approx((50, 0, 100, 1000))


_sides = st.integers(1, 20).map(lambda tokens: 28 * tokens)


@st.composite
def placed(draw: st.DrawFn) -> tuple[View, Box]:
    width, height = draw(_sides), draw(_sides)
    x1, y1 = draw(st.floats(0, width - 1)), draw(st.floats(0, height - 1))
    box = Box(x1, y1, draw(st.floats(x1 + 0.5, width)), draw(st.floats(y1 + 0.5, height)))
    original = (draw(st.integers(1, 6000)), draw(st.integers(1, 6000)))
    return View(np.empty((height, width, 3), np.uint8), original), box


@given(st.sampled_from(CoordinateSpace), placed())
@settings(deadline=None)  # a busy machine is no failure
def test_there_and_back_is_the_same_place(space: CoordinateSpace, case: tuple[View, Box]) -> None:
    view, box = case
    written = from_view(box, space, view)
    assert to_view(written, space, view).xyxy == pytest.approx(box.xyxy, rel=1e-9, abs=1e-9)
    assert from_view(to_view(written, space, view), space, view).xyxy == pytest.approx(
        written.xyxy, rel=1e-9, abs=1e-9
    )


@given(st.sampled_from(CoordinateSpace), placed())
@settings(deadline=None)
def test_a_verdict_is_in_original_pixels_whatever_the_convention(
    space: CoordinateSpace, case: tuple[View, Box]
) -> None:
    view, box = case
    numbers = [f"{value:.12f}" for value in from_view(box, space, view).xyxy]
    text = f"<answer>Yes. {{'bbox_2d': [{', '.join(numbers)}], 'label': 'dent'}}</answer>"
    verdict = verdict_from_text(text, view, space=space)
    width, height = view.original_wh
    expected = view.to_original(box)
    assert verdict.regions[0].box.xyxy == pytest.approx(
        expected.xyxy, rel=1e-6, abs=1e-6 * max(width, height)
    )


def test_reversed_corners_are_ordered_before_conversion() -> None:
    text = "<answer>Yes. {'bbox_2d': [500, 400, 100, 200], 'label': 'dent'}</answer>"
    [region] = verdict_from_text(text, VIEW, space=CoordinateSpace.THOUSAND_YX).regions
    assert region.box.xyxy == pytest.approx((400, 50, 800, 250))
