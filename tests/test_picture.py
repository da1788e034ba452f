import numpy as np

from mmrad.box import Box
from mmrad.picture import ANOMALOUS, NORMAL, annotate, shade
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
