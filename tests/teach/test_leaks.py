"""Which phrases let a hint slip, and which only sound like it."""

import pytest

from mmrad.reasoning import stems
from mmrad.teach.leaks import find_leaks

LEAKS = [
    "The red box in the second image encloses it.",
    "The **red bounding\nbox** encloses it.",
    "The red-boxed part is damaged.",
    "A red rectangle marks the damage.",
    "It is outlined with a red frame.",
    "It is marked in red.",
    "The box drawn on the image surrounds it.",
    "As provided, it lies at the top.",
    "As the hint says, it lies at the top.",
    "According to the hints, it lies at the top.",
    "Hint: look at the top.",
    "With the visual hint it is found.",
    "The hinted area is darker.",
    "This agrees with the reminder.",
    "You told me that it lies at the top.",
    "You have provided the location.",
    "Your hint points to the top.",
    "The given coordinates show it.",
    "The provided bounding box contains it.",
    "The coordinates provided are those of the top.",
    "The coordinates were given to us.",
    "The ground-truth says so.",
    "The marked area is darker.",
    "The highlighted region is darker.",
    "The area highlighted in the second image is darker.",
    "As highlighted, the edge is rough.",
    "The annotated part is rough.",
    "The annotation shows the top.",
    "I was told that it lies at the top.",
    "We were given the location of it.",
    "As mentioned in the prompt, it lies at the top.",
    "According to the instructions, it lies at the top.",
    "I should not mention the frame.",
    "It can be described without mentioning the frame.",
    "The specified region is darker.",
    "It is given that the top is worn.",
    "The information provided to me says so.",
]
NO_LEAKS = [
    "There is a hint of discoloration near the edge.",
    "The hint of rust at the rim is new.",
    "The change in color hints at corrosion, and the image hints that the seal was broken.",
    "This hints at a loose thread.",
    "There is a marked difference in texture, and the surface is markedly rougher.",
    "The bottle is marked with the number 500.",
    "The two provided images show the same part.",
    "Based on the provided images, the edge is worn.",
    "I was given two images of a capsule.",
    "We are provided with a reference image and a second image.",
    "The coordinates of this area are given as above.",
    "The highlights on the metal are the same.",
    "It is highlighted by the contrast with the dark ground.",
    "The bounding box of it lies at the top.",
    "The red cable is cut and the box is open.",
    "The red box printed on the label is the same in both images.",
    "The highlighted area around the logo is the same in both images.",
    "A red line runs around the cap, and a red square is printed on it.",
    "The connector is not at its specified position.",
    "Given the location of the crack, the part is broken.",
    "At any given position, the texture is even.",
    "The hole provided for the screw is empty.",
    "If you look closely, you can see that the thread is worn.",
    "The text on the label mentions 500 mg and provides information on the dose.",
    "As shown in the second image, the pin is bent.",
    "As indicated by the dark spot, the coating is missing.",
    "The area in question is darker than the ground of the board.",
    "The instructions printed on the bag are smeared.",
]


@pytest.mark.parametrize("sentence", LEAKS)
def test_hints_are_not_let_slip(sentence: str) -> None:
    assert find_leaks(f"The part is worn. {sentence} It is new.")


@pytest.mark.parametrize("sentence", NO_LEAKS)
def test_plain_descriptions_are_no_leaks(sentence: str) -> None:
    assert find_leaks(f"The part is worn. {sentence} It is new.") == []


@pytest.mark.parametrize(
    ("sentence", "label", "category"),
    [
        ("The red box is printed askew.", "misprinted red box", ""),
        ("The red box has a torn corner.", "torn corner", "gift_box"),
        ("The marked area is smeared.", "smeared marking", ""),
        ("The highlighted spot is wrong.", "missing highlight", ""),
        ("The annotated part is torn.", "annotation missing", ""),
        ("The reminder is torn.", "torn", "reminder card"),
    ],
)
def test_words_of_the_product_and_its_defects_betray_nothing(
    sentence: str, label: str, category: str
) -> None:
    assert find_leaks(sentence)
    assert find_leaks(sentence, stems([label, category])) == []


def test_half_a_leak_is_not_excused_by_a_label() -> None:
    assert find_leaks("It lies in the red box.", stems(["red stain"])) == ["red box"]


def test_leaks_are_told_as_they_stand_in_order() -> None:
    text = "<think>As the **hint** says, you\ntold me of the Red-Box and the hint.</think>"
    assert find_leaks(text) == ["the hint", "you told", "red box"]


def test_phrases_can_be_added() -> None:
    assert find_leaks("The blue\nframe is new.", phrases=["Blue  frame"]) == ["blue frame"]
    assert find_leaks("The blue framework is new.", phrases=["Blue  frame", ""]) == []


def test_stems_join_the_forms_of_a_word() -> None:
    assert stems(["Marking", "marked", "marks"]) == {"mark"}
    assert stems(["metal_nut", "red"]) == {"metal", "nut", "red"}
