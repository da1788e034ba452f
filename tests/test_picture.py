import numpy as np
import pytest

from mmrad.box import Box
from mmrad.picture import ANOMALOUS, NORMAL, SMALLEST, annotate, annotate_heat, heat, shade
from mmrad.sample import Region, Verdict


def test_boxes_are_drawn_where_they_are_and_the_input_is_kept():
    image = np.full((120, 200, 3), 128, np.uint8)
    box = Box(60, 50, 110, 90)
    drawn = annotate(image, Verdict(True, (Region(box, "scratch <b>"),), "", "", 0.9, "ok"))
    assert (image == 128).all()
    assert tuple(drawn[50, 85]) == ANOMALOUS
    assert tuple(drawn[89, 85]) == ANOMALOUS
    assert tuple(drawn[70, 60]) == ANOMALOUS
    assert (drawn[60:80, 70:100] == 128).all()


@pytest.mark.parametrize(
    ("box", "where"),
    [(Box(20, 50, 60, 80), "above"), (Box(20, 4, 60, 40), "below"), (Box(20, 4, 60, 116), "inside")],
)
def test_a_label_covers_its_box_only_where_there_is_no_room_beside_it(box, where):
    image = np.full((120, 160, 3), 128, np.uint8)
    drawn = annotate(image, Verdict(True, (Region(box, "pin hole"),), "", "", 0.9, "ok"))
    x1, y1, x2, y2 = (int(side) for side in box.xyxy)
    white = {
        "above": (drawn[:y1] > 200).all(axis=2).any(),
        "inside": (drawn[y1 + 1 : y2 - 1] > 200).all(axis=2).any(),
        "below": (drawn[y2:] > 200).all(axis=2).any(),
    }
    assert [name for name, found in white.items() if found] == [where]
    if where != "inside":
        assert (drawn[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2] == 128).all()


def test_a_normal_part_gets_the_other_frame_and_no_box():
    image = np.full((60, 60, 3), 128, np.uint8)
    drawn = annotate(image, Verdict(False, (), "", "", 0.1, "ok"))
    assert tuple(drawn[0, 0]) == NORMAL
    assert (drawn[10:50, 10:50] == 128).all()


def test_a_mask_is_tinted_and_the_true_one_outlined():
    image = np.full((40, 60, 3), 100, np.uint8)
    mask, true = np.zeros((40, 60), bool), np.zeros((40, 60), bool)
    mask[10:20, 5:25] = True
    true[5:30, 40:55] = True
    drawn = shade(image, mask, true)
    assert (image == 100).all()
    assert tuple(drawn[15, 10]) == tuple((100 + value) // 2 for value in ANOMALOUS)
    assert tuple(drawn[5, 45]) == NORMAL
    assert tuple(drawn[15, 45]) == (100, 100, 100)
    changed = (drawn != image).any(axis=2)
    assert not (changed & ~mask & ~true).any()
    assert (shade(image, mask) == image)[~mask].all()


def test_a_normal_map_leaves_the_image_and_heat_begins_at_the_threshold():
    image = np.full((10, 40, 3), 128, np.uint8)
    values = np.full((10, 40), 5, np.float32)
    values[:, 10:20] = 9.99
    values[:, 20:30] = 10
    values[:, 30:] = 1e6
    drawn = heat(image, values, 5, 10).astype(int)
    assert (image == 128).all()
    assert (drawn[:, :10] == 128).all()
    below, at, far = drawn[5, 15], drawn[5, 25], drawn[5, 35]
    assert below[2] > below[0], "blue under the threshold"
    assert at[0] > at[2] + 50 and at[1] > at[2] + 50, "yellow on it"
    assert far[0] > far[1] + 50 and far[0] > far[2] + 50, "red far over it"
    assert (heat(image, -values, 5, 10) == image).all()


def test_the_scale_of_a_map_does_not_matter():
    image = np.random.default_rng(0).integers(0, 255, (8, 9, 3), dtype=np.uint8)
    values = np.linspace(0, 30, 72, dtype=np.float32).reshape(8, 9)
    small, large = heat(image, values, 5, 10), heat(image, values * 1024 - 4096, 1024, 6144)
    assert np.abs(small.astype(int) - large).max() <= 1


def test_a_map_that_is_the_same_everywhere_is_drawn():
    image = np.full((8, 8, 3), 128, np.uint8)
    assert (heat(image, np.full((8, 8), 3, np.float32), 3, 3) == image).all()


@pytest.mark.parametrize("size_wh", [(8, 8), (60, 40), (40, 60), (30, 900), (900, 30), (1500, 700)])
def test_an_expert_s_picture_has_the_image_the_box_and_a_bar_at_every_size(size_wh):
    width, height = size_wh
    image = np.full((height, width, 3), 128, np.uint8)
    values = np.zeros((height, width), np.float32)
    box = Box(width // 4, height // 4, width // 2, height // 2)
    x1, y1, x2, y2 = box.rounded()
    values[y1:y2, x1:x2] = 30
    verdict = Verdict(True, (Region(box, ""),), "", "", 30.0, "ok", score_kind="map")
    drawn = annotate_heat(image, verdict, values, 1, 10)
    factor = max(1, -(-SMALLEST // max(size_wh)))
    bar_below = width >= height
    body = drawn[: height * factor, : width * factor]
    assert body.shape == (height * factor, width * factor, 3)
    extra = drawn[height * factor :] if bar_below else drawn[:, width * factor :]
    assert extra.size and drawn.size == body.size + extra.size
    assert (extra == 255).all(axis=2).mean() > 0.3, "on white"
    colours = extra.reshape(-1, 3).astype(int)
    hot = colours[(colours[:, 0] > 200) & (colours[:, 2] < 120)]
    assert len(hot) > 20 and (colours < 60).all(axis=1).any(), "colours, and black text"
    assert tuple(body[y1 * factor, x1 * factor + factor * (x2 - x1) // 2]) == ANOMALOUS
    assert tuple(body[0, 0]) == ANOMALOUS
    assert (image == 128).all()


def test_a_region_without_a_name_has_no_caption():
    image = np.full((120, 200, 3), 128, np.uint8)
    box = Box(60, 50, 110, 90)
    drawn = annotate(image, Verdict(True, (Region(box, ""),), "", "", 0.9, "ok", score_kind="map"))
    assert (drawn[20:50, 20:180] == 128).all()
