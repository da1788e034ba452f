"""The scripted teacher tells the truth, in words that vary, from what it measures."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrad.answer import Instance, parse
from mmrad.box import Box
from mmrad.teach import ScriptedTeacher, passed, verify
from mmrad.teach.measure import change_in, lightness_shift
from mmrad.view import View

TEACHER = ScriptedTeacher()
PLAIN = np.full((112, 196, 3), 100, np.uint8)


def exact(first: str, second: str) -> float:
    return float(first == second)


def write(query, truth, *, reference=PLAIN, seed=0):
    height, width = query.shape[:2]
    return TEACHER.write(
        query, reference, View(query, (width * 3, height * 2)), truth, "metal_nut", random.Random(seed)
    )


def with_patch(colour, box=(40, 20, 80, 50)) -> np.ndarray:
    image = PLAIN.copy()
    image[box[1] : box[3], box[0] : box[2]] = colour
    return image


def boxes(width: int, height: int) -> st.SearchStrategy[Box]:
    def from_corner(x1: float, y1: float, w: float, h: float) -> Box:
        return Box(
            x1 * width, y1 * height, x1 * width + w * width * (1 - x1), y1 * height + h * height * (1 - y1)
        )

    share = st.floats(0, 0.999)
    return st.builds(from_corner, share, share, st.floats(0.001, 1), st.floats(0.001, 1))


@settings(max_examples=100)
@given(st.data())
def test_texts_parse_back_to_the_truth_and_are_verified(data):
    width, height = (28 * data.draw(st.integers(1, 8)) for _ in range(2))
    noise = np.random.default_rng(data.draw(st.integers(0, 99)))
    query, other = (
        noise.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((height, width), (56, 140))
    )
    labels = st.sampled_from(["scratch", "worker's mark", 'say "no"', "a, b}", "missing  part", ""])
    truth = data.draw(st.lists(st.builds(Instance, boxes(width, height), labels), max_size=7))
    reference = data.draw(st.sampled_from([None, query, other]))
    text = write(query, truth, reference=reference, seed=data.draw(st.integers(0, 9)))
    answer = parse(text, strict=True)
    assert answer.status == "ok"
    assert sorted(i.box.rounded() for i in answer.instances) == sorted(i.box.rounded() for i in truth)
    checks = verify(
        text, truth, lambda a, b: float(a.replace("}", ")") == " ".join(b.split()).replace("}", ")"))
    )
    assert passed(checks), checks


def test_wording_varies_and_repeats_by_seed():
    query, truth = with_patch(0), [Instance(Box(40, 20, 80, 50), "hole")]
    for places in (truth, [], truth * 2):
        for reference in (PLAIN, None):
            texts = {write(query, places, reference=reference, seed=seed) for seed in range(40)}
            assert len(texts) >= 6
            assert write(query, places, seed=3) == write(query, places, seed=3)


def test_texts_are_short():
    query = with_patch([180, 20, 20])
    for seed in range(60):
        one = write(query, [Instance(Box(40, 20, 80, 50), "color stain")], seed=seed)
        assert len(parse(one).think.split()) <= 45
        assert 15 <= len(parse(write(query, [], seed=seed)).think.split()) <= 25


def test_place_comes_before_the_box_and_is_right():
    query = with_patch(0, (150, 5, 190, 20))
    for seed in range(20):
        think = parse(write(query, [Instance(Box(150, 5, 190, 20), "hole")], seed=seed)).think
        assert think.index("row 1, column 5") < think.index("upper right") < think.index("[150, 5, 190, 20]")
        assert "small" in think
        assert "wide" in think


@pytest.mark.parametrize(
    ("colour", "word"),
    [
        (0, "much darker"),
        (250, "much brighter"),
        (120, "brighter"),
        ([160, 80, 90], "redder"),
        ([60, 140, 90], "greener"),
        ([90, 90, 180], "bluer"),
        ([120, 120, 10], "yellower"),
        (100, "similar in color but not in shape"),
    ],
)
def test_looks_are_measured_against_the_reference(colour, word):
    think = parse(write(with_patch(colour), [Instance(Box(40, 20, 80, 50), "stain")])).think
    assert word in think


def test_edges_are_measured():
    stripes = with_patch(100)
    stripes[20:50, 40:80:4] = 180
    truth = [Instance(Box(40, 20, 80, 50), "stripes")]
    assert "richer in edges" in write(stripes, truth)
    assert "poorer in edges" in write(PLAIN, truth, reference=stripes)


def test_without_reference_the_surroundings_are_compared():
    text = write(with_patch(0), [Instance(Box(40, 20, 80, 50), "hole")], reference=None)
    assert "much darker" in text
    assert "reference" not in text


def test_a_normal_text_tells_the_lightness_of_the_whole_image():
    for level, words in ((100, "equally bright"), (108, "slightly brighter"), (60, "is darker")):
        assert words in write(np.full_like(PLAIN, level), [])
    assert lightness_shift(np.full_like(PLAIN, 90), PLAIN) == pytest.approx(-10)


def test_places_are_told_in_the_order_of_the_grid():
    first, second = Instance(Box(150, 5, 190, 20), "a"), Instance(Box(10, 80, 30, 110), "b")
    assert write(PLAIN, [second, first]) == write(PLAIN, [first, second])
    assert [i.label for i in parse(write(PLAIN, [second, first])).instances] == ["a", "b"]


def test_a_thin_scratch_is_seen_in_its_wide_box():
    query = PLAIN.copy()
    for step in range(60):
        query[20 + step, 40 + step] = 0
    assert change_in(Box(40, 20, 100, 80), query, PLAIN).lightness < -20


def test_a_shifted_reference_of_another_size_is_compared_at_the_same_relative_place():
    query = with_patch(200)
    reference = np.repeat(np.repeat(query, 2, axis=0), 2, axis=1)
    change = change_in(Box(40, 20, 80, 50), query, reference)
    assert abs(change.lightness) < 1
    assert change.edges == pytest.approx(1, abs=0.05)
