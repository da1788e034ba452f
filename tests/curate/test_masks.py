import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from scipy import ndimage

from mmrad.curate.labels import clean_label
from mmrad.curate.masks import regions_from_mask

MASKS = npst.arrays(
    np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.sampled_from([0, 0, 1])
)


def boxes(mask: NDArray[np.integer], **options: float) -> list[tuple[float, ...]]:
    options = {"merge_within": 0.0, "min_area": 1} | options
    return [box.xyxy for box, _ in regions_from_mask(mask, "x", **options)]  # type: ignore[arg-type]


@given(MASKS)
@settings(max_examples=300)
def test_boxes_are_those_of_the_connected_components(mask: NDArray[np.uint8]) -> None:
    components, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    expected = [(c.start, r.start, c.stop, r.stop) for r, c in ndimage.find_objects(components)]
    assert sorted(boxes(mask)) == sorted(expected)


@given(MASKS, st.integers(0, 4))
@settings(max_examples=300)
def test_fragments_merge_exactly_up_to_the_gap(mask: NDArray[np.uint8], gap: int) -> None:
    # Oracle: pixels belong together when a chain of steps of at most gap + 1 (Chebyshev) joins them.
    pixels = [tuple(p) for p in np.argwhere(mask).tolist()]
    groups: list[set[tuple[int, ...]]] = []
    for pixel in pixels:
        near = [
            g
            for g in groups
            if any(max(abs(a - b) for a, b in zip(pixel, q, strict=True)) <= gap + 1 for q in g)
        ]
        groups = [g for g in groups if g not in near] + [set().union({pixel}, *near)]
    expected = [
        (min(x for _, x in g), min(y for y, _ in g), max(x for _, x in g) + 1, max(y for y, _ in g) + 1)
        for g in groups
    ]
    assert sorted(boxes(mask, merge_within=gap / max(mask.shape))) == sorted(expected)


@given(MASKS, st.integers(1, 6))
@settings(max_examples=200)
def test_specks_are_dropped_by_their_area(mask: NDArray[np.uint8], least: int) -> None:
    components, count = ndimage.label(mask, structure=np.ones((3, 3)))
    assert len(boxes(mask, min_area=least)) == sum(
        (components == k).sum() >= least for k in range(1, count + 1)
    )


def test_the_threshold_cuts_the_anti_aliased_rim() -> None:
    mask = np.zeros((10, 10), np.uint8)
    mask[2:8, 2:8] = 60
    mask[3:7, 3:7] = 255
    assert [box.xyxy for box, _ in regions_from_mask(mask, "x", threshold=127)] == [(3, 3, 7, 7)]
    assert [box.xyxy for box, _ in regions_from_mask(mask, "x")] == [(2, 2, 8, 8)]


def test_classes_that_touch_stay_apart_and_keep_their_names() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[5:10, 2:6], mask[5:10, 6:9] = 1, 4
    found = regions_from_mask(mask, {1: "bent", 4: "missing"})
    assert [(box.xyxy, label) for box, label in found] == [
        ((2, 5, 6, 10), "bent"),
        ((6, 5, 9, 10), "missing"),
    ]


def test_a_value_without_a_name_is_an_error_that_says_which() -> None:
    with pytest.raises(ValueError, match=r"\[9\] have no name; named are \[1\]"):
        regions_from_mask(np.full((5, 5), 9), {1: "bent"})


def test_an_empty_mask_has_no_regions() -> None:
    assert regions_from_mask(np.zeros((4, 4), np.uint8), "x") == []


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("broken_large", "broken large"),
        ("Chunk Of  Wax-Missing ", "chunk of wax missing"),
        ("Different Colour Spot", "different color spot"),
        ("0_nectarines_2_tangerines", "0 nectarines 2 tangerines"),
    ],
)
def test_labels_become_plain_words(name: str, plain: str) -> None:
    assert clean_label(name) == plain
