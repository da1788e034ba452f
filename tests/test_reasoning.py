"""Which verdict a reasoning clearly ends with."""

import pytest

from mmrad.reasoning import boxes_in, concludes

SAYS_NORMAL = [
    "There are no anomalies.",
    "Therefore, there are no anomalies in the second image.",
    "After analyzing these points, it seems that the second image does not exhibit any anomalies when "
    "compared to the first image.",
    "No visible defects are present in the image.",
    "Overall, the product is normal.",
    "This metal nut is normal.",
    "The second image is free of visible defects.",
    "All parts agree, so there are no defects.",
    "Nothing is anomalous.",
    "**There are no anomalies.**",
    "The answer is no.",
    "I cannot find any defects in the second image.",
    "There are no significant differences between the two images.",
    "The query image shows no visible anomalies or defects!",
]
SAYS_ANOMALOUS = [
    "There is an anomaly.",
    "Based on this analysis, there is indeed an anomaly present in the second image.",
    "Therefore, the second image is anomalous.",
    "Thus, there are several visible defects in the second image.",
    "A defect is visible in the metal nut.",
    "This is not present in the first image, indicating an anomaly.",
    "Final verdict: yes",
]
SAYS_NEITHER = [
    "The first image shows a normal sample with no visible defects.",
    "There is no visible damage or discoloration on the insulation.",
    "There are no other anomalies.",
    "Apart from the scratch, there are no anomalies.",
    "To determine if there are any anomalies in the second image, I compare it with the first.",
    "If there are no defects, the part is normal.",
    "On the left side, there are no anomalies.",
    "No anomalies are visible in the rest of the image.",
    "There are no significant differences in color.",
    "There is no anomaly except the one above.",
    "There is a slight irregularity, which is within tolerance.",
]


def ends(think: str, *named: str) -> bool | None:
    return concludes(think, "metal_nut", named)


@pytest.mark.parametrize("sentence", SAYS_NORMAL)
def test_the_product_is_called_normal(sentence: str) -> None:
    assert ends(sentence) is ends(f"The rim is worn. There is an anomaly.\n{sentence}") is False


@pytest.mark.parametrize("sentence", SAYS_ANOMALOUS)
def test_the_product_is_called_anomalous(sentence: str) -> None:
    assert ends(sentence) is ends(f"The rim is even. There are no defects.\n{sentence}") is True


@pytest.mark.parametrize("sentence", SAYS_NEITHER)
def test_sentences_about_parts_exceptions_and_conditions_are_no_verdict(sentence: str) -> None:
    assert ends(sentence) is None


def test_a_verdict_can_be_taken_back() -> None:
    assert ends("There are no defects. However, the rim is worn.") is None
    assert ends("There are no anomalies. The scratch is at the top.", "scratch") is None
    assert ends("There are no anomalies. The scratch is at the top.", "dent") is False
    assert ends("The scratch is at the top. There are no anomalies.", "scratch") is False
    assert ends("There is a visible defect. However, it is a reflection in both images.") is None


def test_the_category_may_stand_for_the_product() -> None:
    assert concludes("This metal nut is normal.", "metal_nut", ()) is False
    assert concludes("This metal nut is normal.", "pill", ()) is None
    assert concludes("The (odd] name is normal.", "(odd]_name", ()) is False


def test_boxes_are_read_with_their_smaller_corner_first() -> None:
    text = "at [30, 5, 10, 8.5] and (0.1, -2, 3, 4), not [1, 2, 3] nor [1, 2, 3, 4, 5] nor 1, 2, 3, 4"
    assert boxes_in(text) == [(10, 5, 30, 8.5), (0.1, -2, 3, 4)]
