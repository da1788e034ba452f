"""What each family of models writes for the twelve made pictures, and the boxes it means.

The files were made once with fractions, without mmrad's conversions: a number over the width or height of its
convention is a share of the original's. See the families' sources in the catalogue.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmrad.box import Box
from mmrad.catalogue import find_model
from mmrad.coordinates import CoordinateSpace, from_view
from mmrad.inspectors.base import verdict_from_text
from mmrad.inspectors.probe import targets
from mmrad.view import Budget, View, view_size

FAMILIES: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted((Path(__file__).parent / "boxes").glob("*.json"))
}
CASES = [
    pytest.param(family, case, id=f"{name}-{case['original_wh'][0]}x{case['original_wh'][1]}")
    for name, family in FAMILIES.items()
    for case in family["cases"]
]


def view_of(case: dict[str, Any]) -> View:
    width, height = case["view_wh"]
    return View(np.zeros((height, width, 3), np.uint8), tuple(case["original_wh"]))


@pytest.mark.parametrize(("family", "case"), CASES)
def test_a_family_s_answer_means_that_box(family: dict[str, Any], case: dict[str, Any]) -> None:
    verdict = verdict_from_text(case["text"], view_of(case), space=CoordinateSpace(family["space"]))
    assert (verdict.status, verdict.anomalous, verdict.detail) == ("ok", True, "")
    [region] = verdict.regions
    assert region.box.xyxy == pytest.approx(case["box"], abs=1e-5)
    assert region.label == case["label"]


@pytest.mark.parametrize(("family", "case"), CASES)
def test_the_box_is_the_true_place_and_no_other_convention_gives_it(
    family: dict[str, Any], case: dict[str, Any]
) -> None:
    truth = Box(*case["truth"])
    iou = {}
    for space in CoordinateSpace:
        regions = verdict_from_text(case["text"], view_of(case), space=space).regions
        iou[space] = regions[0].box.iou(truth) if regions else 0.0
    own = iou.pop(CoordinateSpace(family["space"]))
    assert own > 0.8
    near = {space for space, value in iou.items() if value >= own - 0.05}
    pixels = {CoordinateSpace.VIEW, CoordinateSpace.ORIGINAL}
    assert near <= (pixels if CoordinateSpace(family["space"]) in pixels else set())


@pytest.mark.parametrize(("family", "case"), CASES)
def test_the_numbers_are_those_that_would_be_asked_for(family: dict[str, Any], case: dict[str, Any]) -> None:
    view, space = view_of(case), CoordinateSpace(family["space"])
    written = from_view(view.to_view(Box(*case["box"])), space, view).xyxy
    digits = 3 if space is CoordinateSpace.UNIT else 0
    numbers = [f"{value:.{digits}f}" for value in written]
    assert ",".join(numbers) in case["text"].replace(" ", "")


@pytest.mark.parametrize("name", FAMILIES)
def test_the_pictures_are_those_of_the_probe_in_views_by_qwen_s_rule(name: str) -> None:
    family = FAMILIES[name]
    for case, target in zip(family["cases"], targets(), strict=True):
        assert target.image.shape[1::-1] == tuple(case["original_wh"])
        assert target.box.xyxy == tuple(case["truth"])
        size = view_size(tuple(case["original_wh"]), Budget(max_pixels=family["max_pixels"]))
        assert size == tuple(case["view_wh"])


@pytest.mark.parametrize("name", FAMILIES)
def test_the_catalogue_declares_what_the_family_writes(name: str) -> None:
    family = FAMILIES[name]
    for model in family["models"]:
        known = find_model(model)
        assert known is not None and known.space.value == family["space"]
        assert (known.max_pixels or Budget().max_pixels) == family["max_pixels"]
