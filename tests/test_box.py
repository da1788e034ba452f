import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrad.box import Box, as_array, iou_matrix, match, nms

coordinates = st.integers(-20, 20)
boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h),
    coordinates,
    coordinates,
    st.integers(1, 20),
    st.integers(1, 20),
)
float_boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h),
    *[st.floats(-1e4, 1e4)] * 2,
    *[st.floats(0.01, 1e4)] * 2,
)
some_boxes = st.lists(boxes, max_size=4)


@pytest.mark.parametrize(
    "xyxy",
    [
        (1, 1, 1, 2),
        (1, 1, 2, 1),
        (2, 1, 1, 2),
        (math.nan, 0, 1, 1),
        (0, 0, math.inf, 1),
        (-math.inf, 0, 1, 1),
    ],
)
def test_no_box_without_a_finite_area(xyxy: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="area"):
        Box(*xyxy)


def test_the_parts_of_a_box() -> None:
    box = Box(10, 20, 40, 60)
    assert box.area == 1200 and box.center == (25, 40)
    assert box.scaled(2, 0.5) == Box(20, 10, 80, 30)
    assert box.shifted(-10, 5) == Box(0, 25, 30, 65)
    assert box.clipped((30, 100)) == Box(10, 20, 30, 60)
    assert box.clipped((10, 100)) is None and box.clipped((100, 20)) is None
    assert Box(-5, -5, 3, 3).clipped((2, 9)) == Box(0, 0, 2, 3)
    assert Box(1.2, 1.6, 1.4, 7.5).rounded() == (1, 2, 2, 8)


def test_iou_by_hand() -> None:
    assert Box(0, 0, 2, 2).iou(Box(1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert Box(0, 0, 2, 2).iou(Box(2, 0, 4, 2)) == 0  # half-open: sharing an edge is no overlap
    assert Box(0, 0, 2, 2).iou(Box(0, 0, 2, 2)) == 1


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 2), (2, 0)])
def test_no_boxes_have_an_empty_matrix(n: int, m: int) -> None:
    box = Box(0, 0, 1, 1)
    assert iou_matrix([box] * n, [box] * m).shape == (n, m)
    assert as_array([]).shape == (0, 4)
    assert match([box] * n, [box] * m, 0.1) == []


def test_iou_equals_torchvision() -> None:
    torch, ops = pytest.importorskip("torch"), pytest.importorskip("torchvision.ops")

    @given(st.lists(float_boxes, min_size=1, max_size=6), st.lists(float_boxes, min_size=1, max_size=6))
    def check(a: list[Box], b: list[Box]) -> None:
        theirs = ops.box_iou(torch.from_numpy(as_array(a)), torch.from_numpy(as_array(b))).numpy()
        np.testing.assert_allclose(iou_matrix(a, b), theirs, atol=1e-12)

    check()


@given(some_boxes, some_boxes, st.sampled_from([0.05, 0.1, 0.3, 0.5, 1.0]))
def test_matching_is_the_best_of_all(predicted: list[Box], true: list[Box], threshold: float) -> None:
    pairs = match(predicted, true, threshold)
    assert pairs == sorted(pairs)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    iou = iou_matrix(predicted, true)
    assert all(iou[pair] >= threshold for pair in pairs)
    count, total = best_by_trying(iou, threshold)
    assert len(pairs) == count
    assert sum(iou[pair] for pair in pairs) == pytest.approx(total)


def best_by_trying(iou: np.ndarray, threshold: float) -> tuple[int, float]:
    small, large = sorted(iou.shape)
    if iou.shape[0] > iou.shape[1]:
        iou = iou.T
    best = (0, 0.0)
    for columns in permutations(range(large), small):
        values = [float(iou[row, col]) for row, col in enumerate(columns) if iou[row, col] >= threshold]
        best = max(best, (len(values), sum(values)))
    return best


def test_more_pairs_beat_more_overlap() -> None:
    predicted = [Box(0, 0, 10, 10), Box(0, 0, 10, 3)]
    true = [Box(0, 0, 10, 10), Box(0, 5, 10, 15)]
    assert match(predicted, true, 0.25) == [(0, 1), (1, 0)]


def test_the_threshold_is_inclusive() -> None:
    assert match([Box(0, 0, 1, 1)], [Box(0, 0, 2, 1)], 0.5) == [(0, 0)]


def test_nms_equals_torchvision() -> None:
    torch, ops = pytest.importorskip("torch"), pytest.importorskip("torchvision.ops")

    @given(st.lists(boxes, max_size=12), st.sampled_from([0.0, 0.11, 0.3, 0.52, 0.9]), st.randoms())
    def check(several: list[Box], threshold: float, random: object) -> None:
        scores = [i / 16 for i in range(len(several))]
        random.shuffle(scores)
        theirs = ops.nms(
            torch.from_numpy(as_array(several)), torch.tensor(scores, dtype=torch.float64), threshold
        )
        assert nms(several, scores, threshold) == theirs.tolist()

    check()


def test_nms_keeps_the_earlier_of_equals_and_wants_one_score_a_box() -> None:
    same = [Box(0, 0, 2, 2)] * 2
    assert nms(same, [0.5, 0.5], 0.5) == [0]
    assert nms(same, [0.5, 0.6], 1.0) == [1, 0]  # an overlap equal to the threshold is kept
    with pytest.raises(ValueError, match="2 boxes but 1 scores"):
        nms(same, [1.0], 0.5)
