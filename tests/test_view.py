import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mmrad.box import Box
from mmrad.errors import UsageError
from mmrad.view import FACTOR, Budget, make_view, rescale, view_size

CLASS_DEFAULT = Budget(56 * 56, 28 * 28 * 1280)
CHECKPOINT = Budget(56 * 56, 16384 * 28 * 28)

sides = st.integers(1, 6000)
budgets = st.builds(
    lambda low, extra: Budget(low * FACTOR**2, (low + extra) * FACTOR**2),
    st.integers(1, 64),
    st.integers(0, 20_000),
)


@pytest.mark.parametrize(
    ("original_hw", "class_default_hw", "checkpoint_hw"),
    [
        ((1024, 1024), (980, 980), (1036, 1036)),
        ((900, 900), (896, 896), (896, 896)),
        ((700, 700), (700, 700), (700, 700)),
        ((1168, 1284), (952, 1036), (1176, 1288)),
        ((850, 1600), (728, 1372), (840, 1596)),
        ((224, 224), (224, 224), (224, 224)),
    ],
)
def test_sizes_are_those_of_qwen(original_hw, class_default_hw, checkpoint_hw) -> None:
    assert view_size(original_hw[::-1], CLASS_DEFAULT) == class_default_hw[::-1]
    assert view_size(original_hw[::-1], CHECKPOINT) == checkpoint_hw[::-1]


def test_sizes_equal_those_of_transformers() -> None:
    qwen = pytest.importorskip("transformers.models.qwen2_vl.image_processing_qwen2_vl")

    @given(sides, sides, budgets)
    def check(width: int, height: int, budget: Budget) -> None:
        assume(max(width, height) <= 200 * min(width, height))
        size = view_size((width, height), budget)
        limits = {"min_pixels": budget.min_pixels, "max_pixels": budget.max_pixels}
        if min(width, height) > FACTOR // 2:
            assert size == qwen.smart_resize(height, width, factor=FACTOR, **limits)[::-1]
        if budget.min_pixels <= size[0] * size[1] <= budget.max_pixels and max(size) <= 200 * min(size):
            assert size == qwen.smart_resize(size[1], size[0], factor=FACTOR, **limits)[::-1]

    check()


@given(sides, sides, budgets)
def test_sizes_are_multiples_of_28_and_stay_when_within_the_budget(
    width: int, height: int, budget: Budget
) -> None:
    assume(max(width, height) <= 200 * min(width, height))
    size = view_size((width, height), budget)
    assert size[0] % FACTOR == size[1] % FACTOR == 0 and min(size) >= FACTOR
    if budget.min_pixels <= size[0] * size[1] <= budget.max_pixels and max(size) <= 200 * min(size):
        assert view_size(size, budget) == size


@given(sides, sides, budgets, st.data())
def test_boxes_come_back_from_the_view(width: int, height: int, budget: Budget, data: st.DataObject) -> None:
    assume(max(width, height) <= 200 * min(width, height))
    x1, y1 = data.draw(st.floats(0, width - 0.5)), data.draw(st.floats(0, height - 0.5))
    box = Box(x1, y1, data.draw(st.floats(x1 + 0.1, width)), data.draw(st.floats(y1 + 0.1, height)))
    size = view_size((width, height), budget)
    there = rescale(box, (width, height), size)
    assert there.clipped(size) is not None
    np.testing.assert_allclose(rescale(there, size, (width, height)).xyxy, box.xyxy, atol=1e-9, rtol=1e-12)


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (201, 1), (1, 201)])
def test_images_no_model_accepts_are_refused(width: int, height: int) -> None:
    with pytest.raises(ValueError, match=f"{width}x{height}"):
        view_size((width, height), Budget())


@pytest.mark.parametrize(("low", "high"), [(0, 10_000), (2000, 1000), (-1, -1), (783, 784)])
def test_budgets_without_room_are_refused(low: int, high: int) -> None:
    with pytest.raises(UsageError, match="no view has"):
        Budget(low, high)


@pytest.mark.parametrize("shape", [(1, 1), (40, 61), (300, 200), (28, 28), (1, 150)])
def test_a_view_shows_the_whole_image(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 200, np.uint8)
    view = make_view(image, Budget(28 * 28, 100 * 28 * 28))
    assert view.image.dtype == np.uint8 and (view.image == 200).all()
    assert view.original_wh == shape[::-1] and view.size_wh == view_size(
        shape[::-1], Budget(28 * 28, 100 * 28 * 28)
    )
    whole = Box(0, 0, *map(float, view.original_wh))
    assert view.to_view(whole).xyxy == pytest.approx((0, 0, *view.size_wh))
    assert view.to_original(view.to_view(whole)).xyxy == pytest.approx(whole.xyxy)


def test_a_mark_lies_where_its_box_says() -> None:
    image = np.zeros((90, 150, 3), np.uint8)
    image[30:60, 100:125] = 255
    view = make_view(image, Budget())
    x1, y1, x2, y2 = view.to_view(Box(100, 30, 125, 60)).rounded()
    assert view.image[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].min() > 200
    view.image[y1 - 2 : y2 + 2, x1 - 2 : x2 + 2] = 0
    assert view.image.max() < 60


def test_a_view_that_fits_is_the_image_itself() -> None:
    image = np.random.default_rng(0).integers(0, 256, (56, 84, 3), dtype=np.uint8)
    assert (make_view(image, Budget()).image == image).all()
