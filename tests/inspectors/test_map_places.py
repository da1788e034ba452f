from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from mmrad.box import Box, iou_matrix
from mmrad.inspectors.experts.places import OVERLAP, places, top_places


def level(*cells: tuple[int, int, float], shape: tuple[int, int] = (6, 9)) -> NDArray[np.float32]:
    """A map of zeros with values at `(x, y)`."""
    values = np.zeros(shape, np.float32)
    for x, y, value in cells:
        values[y, x] = value
    return values


def test_one_pixel_is_a_place_and_its_end_is_exclusive() -> None:
    assert places(level((3, 2, 0.75)), 0.5) == [(Box(3, 2, 4, 3), 0.75)]


def test_pixels_at_the_border_belong_to_the_image() -> None:
    found = places(level((0, 0, 1.0), (8, 5, 2.0), (8, 4, 3.0)), 0.5)
    assert found == [(Box(8, 4, 9, 6), 3.0), (Box(0, 0, 1, 1), 1.0)]
    whole = np.ones((6, 9), np.float32)
    assert places(whole, 0.5) == [(Box(0, 0, 9, 6), 1.0)]


def test_pixels_that_touch_diagonally_are_one_place() -> None:
    assert places(level((2, 1, 1.0), (3, 2, 2.0)), 0.5) == [(Box(2, 1, 4, 3), 2.0)]
    assert len(places(level((2, 1, 1.0), (4, 3, 2.0)), 0.5)) == 2


def test_a_pixel_at_the_threshold_is_not_above_it() -> None:
    values = level((1, 1, 0.5), (5, 1, np.nextafter(np.float32(0.5), np.float32(1))))
    assert [box for box, _ in places(values, 0.5)] == [Box(5, 1, 6, 2)]
    assert places(values, 1.0) == []


def test_what_lies_in_a_hole_belongs_to_the_place_around_it() -> None:
    values = np.ones((9, 9), np.float32)
    values[1:8, 1:8] = 0
    values[4, 4] = 7
    assert places(values, 0.5) == [(Box(0, 0, 9, 9), 7.0)]


def test_of_two_boxes_that_overlap_too_much_one_stays() -> None:
    """A hook of which the other place fills the open corner: disjoint pixels, overlapping boxes."""
    values = np.zeros((20, 20), np.float32)
    values[0, :] = values[:, 0] = 1
    values[3:20, 3:20] = 2
    values[19, 19] = 5
    hook, filling = Box(0, 0, 20, 20), Box(3, 3, 20, 20)
    assert hook.iou(filling) > OVERLAP
    assert [box for box, _ in places(values, 0.5)] in ([hook], [filling])
    values[3:20, 3:12] = 0
    assert {box for box, _ in places(values, 0.5)} == {hook, Box(12, 3, 20, 20)}


def components(mask: NDArray[np.bool_]) -> Iterator[set[tuple[int, int]]]:
    """Sets of `(x, y)` that touch in one of eight directions."""
    left = {(int(x), int(y)) for y, x in zip(*np.nonzero(mask), strict=True)}
    while left:
        found, edge = set(), [left.pop()]
        while edge:
            x, y = edge.pop()
            found.add((x, y))
            near = {(x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            edge += near
        yield found


maps = arrays.arrays(np.float32, (7, 10), elements=st.integers(0, 4).map(float))


@given(values=maps, threshold=st.sampled_from([-1.0, 0.0, 0.5, 2.0, 3.0, 4.0]))
@settings(deadline=None)
def test_places_are_the_boxes_of_connected_pixels(values: NDArray[np.float32], threshold: float) -> None:
    found = places(values, threshold)
    boxes = [box for box, _ in found]
    connected = set()
    for pixels in components(values > threshold):
        xs, ys = zip(*pixels, strict=True)
        connected.add(Box(min(xs), min(ys), max(xs) + 1, max(ys) + 1))
    assert set(boxes) <= connected
    # Every place that is not given lies in a hole of another, or is suppressed by a higher one.
    for box in connected - set(boxes):
        assert any(other.iou(box) > OVERLAP or _inside(box, other) for other in boxes)
    assert [value for _, value in found] == sorted((value for _, value in found), reverse=True)
    for box, value in found:
        x1, y1, x2, y2 = box.rounded()
        assert value == values[y1:y2, x1:x2].max()
    overlaps = iou_matrix(boxes, boxes) - np.eye(len(boxes))
    assert overlaps.size == 0 or overlaps.max() <= OVERLAP


def _inside(box: Box, other: Box) -> bool:
    return other.x1 < box.x1 and other.y1 < box.y1 and box.x2 < other.x2 and box.y2 < other.y2


@pytest.mark.parametrize("scale, shift", [(1.0, 0.0), (1e-4, -3.0), (500.0, 20.0)])
def test_the_strongest_places_do_not_depend_on_the_scale(scale: float, shift: float) -> None:
    values = np.zeros((60, 80), np.float32)
    values[10:14, 20:26] = np.arange(24).reshape(4, 6) + 20
    values[40:42, 60:64] = 10
    values[50:52, 5:9] = 15
    found = top_places(values * np.float32(scale) + np.float32(shift), 2)
    assert [box for box, _ in found] == [Box(20, 10, 26, 14), Box(5, 50, 9, 52)]
    assert len(top_places(values, 9)) == 3


def test_the_strongest_places_of_a_flat_map_are_none() -> None:
    assert top_places(np.full((30, 40), 2.5, np.float32), 3) == []


def test_many_pixels_of_the_largest_value_are_still_places() -> None:
    values = np.zeros((30, 40), np.float32)
    values[:, 30:] = 1  # a quarter of the image
    assert top_places(values, 3) == [(Box(30, 0, 40, 30), 1.0)]


@given(values=maps, count=st.integers(0, 5))
@settings(deadline=None)
def test_the_strongest_places_do_not_overlap(values: NDArray[np.float32], count: int) -> None:
    found = top_places(values, count)
    boxes = [box for box, _ in found]
    assert len(found) <= count
    overlaps = iou_matrix(boxes, boxes) - np.eye(len(boxes))
    assert overlaps.size == 0 or overlaps.max() <= 0
    if count and values.min() < values.max():
        assert found[0][1] == values.max()
