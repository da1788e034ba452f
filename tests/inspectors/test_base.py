import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmrad.box import Box
from mmrad.coordinates import CoordinateSpace
from mmrad.errors import DataError
from mmrad.inspectors import InspectionSettings, failed_verdict, verdict_from_text
from mmrad.prompt import Hint, load_prompts
from mmrad.sample import Pair, Sample, Usage, Verdict
from mmrad.view import Budget, View

VIEW = View(np.zeros((28, 56, 3), np.uint8), (112, 84))  # the original is 2 times as wide and 3 times as high
YES = "<think>x</think><answer>Yes. {'bbox_2d': [10, 5, 20, 15], 'label': 'dent'}</answer>"


def pair(image: Path, *references: Path, category: str = "nut") -> Pair:
    return Pair(
        Sample("s/nut/test/0", "s", category, "test", "0.png", (30, 20), (), "own"), image, references
    )


def test_boxes_are_brought_back_to_the_original() -> None:
    usage = Usage(input_tokens=3)
    verdict = verdict_from_text(YES, VIEW, score=0.9, usage=usage, model_reported="m")
    assert (verdict.status, verdict.anomalous, verdict.score) == ("ok", True, 0.9)
    assert [(region.box, region.label) for region in verdict.regions] == [(Box(20, 15, 40, 45), "dent")]
    assert (verdict.think, verdict.raw_text, verdict.usage, verdict.model_reported) == ("x", YES, usage, "m")


def test_boxes_outside_are_clipped_or_dropped_and_said() -> None:
    text = (
        "Yes. {'bbox_2d': [40, -9, 99, 14]}, {'bbox_2d': [56, 0, 60, 9]}, {'bbox_2d': [0, 0, 1e307, 1e-300]}"
    )
    verdict = verdict_from_text(text, VIEW)
    assert verdict.anomalous and [region.box for region in verdict.regions] == [Box(80, 0, 112, 42)]
    assert "1 box(es) without area" in verdict.detail and "1 box(es) outside the image" in verdict.detail


@pytest.mark.parametrize(
    ("text", "truncated", "status"),
    [
        ("", False, "empty"),
        ("", True, "truncated"),
        ("hm", False, "unparsed"),
        ("hm", True, "truncated"),
        ("<think>No.", False, "truncated"),
        ("<answer>Yes. {'bbox_2d': [1, 2, 3, 4]}, ", True, "truncated"),
        ("No", True, "truncated"),
    ],
)
def test_no_judgement_means_no_score_and_no_regions(text: str, truncated: bool, status: str) -> None:
    verdict = verdict_from_text(text, VIEW, truncated=truncated, score=0.1)
    assert (verdict.status, verdict.anomalous, verdict.regions, verdict.score) == (status, None, (), None)
    assert verdict.raw_text == text


def test_a_confidence_in_words_is_the_score_where_there_is_no_probability() -> None:
    said = f"{YES}<confidence>85</confidence>"
    assert (verdict_from_text(said, VIEW).score, verdict_from_text(said, VIEW).score_kind) == (
        0.85,
        "confidence",
    )
    likely = verdict_from_text(said, VIEW, score=0.9)
    assert (likely.score, likely.score_kind) == (0.9, "probability")
    none = verdict_from_text(f"{YES}<confidence>sure</confidence>", VIEW)
    assert (none.score, none.score_kind, none.anomalous) == (None, None, True)
    assert "no clear confidence" in none.detail


def test_a_judgement_that_may_go_on_has_no_confidence() -> None:
    verdict = verdict_from_text("No. <confidence>5</confidence>", VIEW, truncated=True)
    assert (verdict.status, verdict.score, verdict.score_kind) == ("truncated", None, None)


def test_a_finished_answer_counts_although_the_limit_was_hit() -> None:
    assert verdict_from_text(YES, VIEW, truncated=True).status == "ok"


def test_a_failure_is_never_a_judgement() -> None:
    verdict = failed_verdict("refused", "the endpoint said no", raw_text="no")
    assert (verdict.anomalous, verdict.status, verdict.detail) == (None, "refused", "the endpoint said no")
    for status, anomalous in (("failed", False), ("ok", None)):
        with pytest.raises(ValueError, match="cannot have"):
            Verdict(anomalous, (), "", "", None, status)


def test_asking_shows_the_references_and_then_the_query(png: Path, tmp_path: Path) -> None:
    other = tmp_path / "good.png"
    Image.new("RGB", (56, 28), "white").save(other)
    messages, view = InspectionSettings(budget=Budget(28 * 28, 64 * 28 * 28)).ask(pair(png, other))
    assert messages[-1].parts[1] is view and view.original_wh == (30, 20)
    assert messages[-1].parts[0].original_wh == (56, 28)


@pytest.mark.parametrize("space", CoordinateSpace)
def test_boxes_are_asked_for_in_the_convention_they_are_read_in(png: Path, space: CoordinateSpace) -> None:
    settings = InspectionSettings(space=space, confidence=True)
    messages, view = settings.ask(pair(png))
    asked = settings.prompts.inspection(view, space=space, confidence=True)
    assert messages[-1].parts[-1] == asked[-1].parts[-1]
    assert messages[-1].parts[-1] != InspectionSettings().ask(pair(png))[0][-1].parts[-1]


def test_only_the_category_s_own_knowledge_is_told(png: Path) -> None:
    settings = InspectionSettings(domain_knowledge={"nut": ("rust",), "pill": ("chip",)})
    assert "rust" in settings.ask(pair(png))[0][-1].parts[-1]
    assert "chip" not in settings.ask(pair(png))[0][-1].parts[-1]
    assert "rust" not in settings.ask(pair(png, category="bolt"))[0][-1].parts[-1]


def test_images_that_cannot_be_shown_are_named(png: Path, tmp_path: Path) -> None:
    thin = tmp_path / "thin.png"
    Image.new("RGB", (300, 1)).save(thin)
    with pytest.raises(DataError, match=r"thin\.png: .*aspect ratio"):
        InspectionSettings().ask(pair(thin))
    with pytest.raises(DataError, match=r"gone\.png: no such image"):
        InspectionSettings().ask(pair(png, tmp_path / "gone.png"))


def test_every_setting_is_in_the_key() -> None:
    settings = InspectionSettings(hints={"a": Hint((Box(1, 2, 3, 4),), alarm=True)})
    changes = {
        "prompts": load_prompts("brief"),
        "budget": Budget(784, 7840),
        "reasoning": False,
        "domain_knowledge": {"nut": ("rust",)},
        "max_tokens": 1,
        "temperature": 0.5,
        "min_p": 0.1,
        "seed": 1,
        "space": CoordinateSpace.UNIT,
        "confidence": True,
        "hints": {},
        "hints_as": "crops",
    }
    assert changes.keys() == set(InspectionSettings.__slots__)
    keys = {json.dumps(replace(settings, **{name: value}).key()) for name, value in changes.items()}
    assert len(keys | {json.dumps(settings.key())}) == len(changes) + 1
