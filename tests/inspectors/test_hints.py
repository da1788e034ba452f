"""What a detector says, told to models: in their own coordinates, in words or enlarged."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmrad.box import Box
from mmrad.coordinates import CoordinateSpace, to_view
from mmrad.endpoint import Endpoint, usage_of
from mmrad.errors import DataError
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.batch import BatchInspector
from mmrad.inspectors.chat_inspector import ChatInspector
from mmrad.inspectors.hints import detail_budget, read_details, surroundings
from mmrad.inspectors.plan import plan_of
from mmrad.prompt import BUILT_IN, Hint, load_prompts
from mmrad.sample import Pair, Sample
from mmrad.view import FACTOR, Budget, View, view_size
from servers import FaultServer

SIZE_WH = (120, 60)
MARK = Box(90, 10, 110, 20)
HINT = Hint((MARK, Box(0, 30, 40, 60)), alarm=True)
SMALL = Budget(FACTOR * FACTOR, 16 * FACTOR * FACTOR)
_NUMBERS = re.compile(r"\{'(?:bbox|box)_2d': \[([-\d., ]+)\]\}")


def pair_of(folder: Path, *, reference: bool = True, exif: bool = False) -> Pair:
    """A query of 120 x 60 with a red mark, beside a reference twice as large with a green one there."""
    folder.mkdir(exist_ok=True)
    query = _marked(SIZE_WH, MARK, (255, 0, 0))
    options = {}
    if exif:  # stored on its side, to be turned by 90 degrees to be seen
        query = query.transpose(Image.Transpose.ROTATE_90)
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = 6
    query.save(folder / "query.png", **options)
    good = folder / "good.png"
    _marked((240, 120), MARK.scaled(2, 2), (0, 255, 0)).save(good)
    sample = Sample("s/nut/test/0", "s", "nut", "test", "query.png", SIZE_WH, (), "own")
    return Pair(sample, folder / "query.png", (good,) if reference else ())


def _marked(size_wh: tuple[int, int], box: Box, colour: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGB", size_wh, (90, 90, 90))
    image.paste(colour, box.rounded())
    return image


def told(settings: InspectionSettings, pair: Pair) -> tuple[list[View], str]:
    """Images and text of what is asked about a pair."""
    *images, text = settings.ask(pair)[0][-1].parts
    assert isinstance(text, str)
    return [image for image in images if isinstance(image, View)], text


def hinted(how: str = "text", **changes: object) -> InspectionSettings:
    settings = InspectionSettings(budget=SMALL, hints={"s/nut/test/0": HINT}, hints_as=how)  # type: ignore[arg-type]
    return replace(settings, **changes)  # type: ignore[arg-type]


_sides = st.integers(20, 4000)


@st.composite
def placed(draw: st.DrawFn) -> tuple[View, Box]:
    original = (draw(_sides), draw(_sides))
    x1, y1 = (draw(st.integers(0, side - 1)) for side in original)
    box = Box(x1, y1, draw(st.integers(x1 + 1, original[0])), draw(st.integers(y1 + 1, original[1])))
    width, height = view_size(original, Budget())
    return View(np.broadcast_to(np.uint8(0), (height, width, 3)), original), box


@given(st.sampled_from(CoordinateSpace), st.sampled_from(BUILT_IN), placed())
def test_places_read_back_in_the_model_s_convention_are_where_they_were(
    space: CoordinateSpace, name: str, case: tuple[View, Box]
) -> None:
    view, place = case
    asked = load_prompts(name).inspection(view, space=space, hint=Hint((place,), alarm=False))
    [numbers] = _NUMBERS.findall(str(asked[-1].parts[-1]))
    written = Box(*map(float, numbers.split(",")))
    read = view.to_original(to_view(written, space, view))
    unit = 0.001 if space is CoordinateSpace.UNIT else 1
    for length, scale, *sides in zip(
        view.original_wh, space.size_wh(view), read.xyxy[:2], read.xyxy[2:], place.xyxy[:2], place.xyxy[2:],
        strict=True,
    ):  # fmt: skip
        step = unit * length / scale
        assert abs(sides[0] - sides[2]) <= step / 2 + 1e-6
        assert abs(sides[1] - sides[3]) <= 1.5 * step + 1e-6  # a thin place is widened to one step


def test_the_alarm_is_told_either_way_and_the_doubt_always(tmp_path: Path) -> None:
    pair = pair_of(tmp_path)
    alarm = told(hinted(), pair)[1]
    calm = told(hinted(hints={pair.sample.id: replace(HINT, alarm=False)}), pair)[1]
    assert "raises an alarm" in alarm and "raises no alarm" in calm
    assert (
        alarm.replace("an alarm for this image, as for few", "no alarm for this image, as for most") == calm
    )
    assert "may be wrong" in alarm and "[252, 28, 308, 56]" not in alarm


def test_a_query_without_a_hint_is_asked_as_ever(tmp_path: Path) -> None:
    pair = pair_of(tmp_path)
    other = {"another": HINT}
    for how in ("text", "crops"):
        settings = hinted(how, hints=other)
        images, text = told(settings, pair)
        plain, plain_text = told(InspectionSettings(budget=SMALL), pair)
        assert text == plain_text and len(images) == len(plain) == 2


def test_words_add_no_images_and_crops_two_for_each_place(tmp_path: Path) -> None:
    pair = pair_of(tmp_path)
    images, text = told(hinted(), pair)
    assert [image.original_wh for image in images] == [(240, 120), SIZE_WH] and "Image" not in text
    images, text = told(hinted("crops"), pair)
    assert [image.original_wh for image in images][::5] == [(240, 120), SIZE_WH], "whole ones first and last"
    assert "Images 2 and 3 show" in text and "Images 4 and 5 show" in text and "image 5 the same" in text
    images, text = told(hinted("crops"), pair_of(tmp_path, reference=False))
    assert len(images) == 3 and "Image 1 shows" in text and "Image 2 shows" in text
    assert images[-1].original_wh == SIZE_WH


@pytest.mark.parametrize("exif", [False, True])
def test_a_crop_shows_its_place_in_the_middle_and_the_reference_the_same(tmp_path: Path, exif: bool) -> None:
    pair = pair_of(tmp_path, exif=exif)
    details = read_details(pair, Hint((MARK,), alarm=True), Budget())
    [(query, reference)] = details
    for view, channel in ((query, 0), (reference, 1)):
        height, width = view.image.shape[:2]
        marked = view.image[..., channel] > 150
        middle = marked[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
        assert middle.all(), "the mark is in the middle"
        assert 0.2 < marked.mean() < 0.3, "half as wide and half as high as the crop"
        assert not marked[:3].any() and not marked[:, -3:].any()
    assert query.original_wh == (40, 20) and reference.original_wh == (80, 40)
    assert query.size_wh > (40, 20), "enlarged"


@given(placed())
def test_surroundings_hold_the_place_inside_the_image(case: tuple[View, Box]) -> None:
    view, place = case
    width, height = view.original_wh
    shown = surroundings(place, view.original_wh)
    x1, y1, x2, y2 = shown.xyxy
    assert 0 <= x1 <= place.x1 and place.x2 <= x2 <= width
    assert 0 <= y1 <= place.y1 and place.y2 <= y2 <= height
    assert all(value == int(value) for value in shown.xyxy)
    least = max(width, height) // 8
    assert x2 - x1 >= min(width, least) and y2 - y1 >= min(height, least)
    view_size((int(x2 - x1), int(y2 - y1)), detail_budget(Budget()))  # every detail has a view


@pytest.mark.parametrize("most", [1, 3, 16, 768, 5000])
def test_details_are_smaller_than_whole_views(most: int) -> None:
    whole = Budget(FACTOR * FACTOR, most * FACTOR * FACTOR)
    detail = detail_budget(whole)
    assert detail.max_pixels == max(FACTOR * FACTOR, whole.max_pixels // 4)


def test_the_key_follows_all_that_is_told(tmp_path: Path) -> None:
    base = hinted()
    sample_id = "s/nut/test/0"
    others = [
        hinted("crops"),
        hinted(hints={sample_id: replace(HINT, alarm=False)}),
        hinted(hints={sample_id: Hint(HINT.places[::-1], alarm=True)}),
        hinted(hints={sample_id: Hint((MARK.shifted(1, 0), HINT.places[1]), alarm=True)}),
        hinted(hints={sample_id: HINT, "another": HINT}),
        hinted(hints={"another": HINT}),
        hinted(prompts=replace(base.prompts, hint="$places")),
    ]
    keys = [str(settings.key()) for settings in (base, *others)]
    assert len(set(keys)) == len(keys)
    assert {settings.key()["prompts_hash"] for settings in (base, *others)} == {base.prompts.hash}
    assert "hints" not in hinted(hints={}).key(), "runs without hints go on under the keys they have"
    assert hinted(hints=dict(reversed(others[4].hints.items()))).key() == others[4].key()


def test_a_plan_counts_words_and_crops(tmp_path: Path) -> None:
    pair = pair_of(tmp_path)
    alone = pair_of(tmp_path / "alone", reference=False)
    for settings in (hinted(), hinted("crops"), hinted("crops", budget=Budget())):
        for one in (alone, replace(pair, references=(alone.image,))):  # a reference as large as the query
            plan = plan_of([one], settings, None)
            assert plan.usage.input_tokens == usage_of(settings.ask(one)[0]).input_tokens
    tokens = [plan_of([pair], hinted(how), None).usage.input_tokens or 0 for how in ("text", "crops")]
    assert plan_of([pair], hinted(hints={}), None).usage.input_tokens < tokens[0] < tokens[1]  # type: ignore[operator]


def test_an_image_that_cannot_be_enlarged_is_named(tmp_path: Path) -> None:
    pair = pair_of(tmp_path)
    pair.references[0].write_bytes(b"no image")
    with pytest.raises(DataError, match=r"good\.png: not a readable image"):
        hinted("crops").ask(pair)


@pytest.mark.parametrize(("how", "count"), [("text", 2), ("crops", 6)])
def test_a_server_sees_the_images_and_the_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, count: int
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    pair = pair_of(tmp_path)
    settings = hinted(how, space=CoordinateSpace.THOUSAND)
    with FaultServer() as server:
        endpoint = Endpoint("m", server.base_url)
        [(_, verdict)] = ChatInspector(endpoint, settings).inspect([pair])
        batch = BatchInspector(endpoint, settings, state=tmp_path / "state").body(pair)[0]
        [call] = server.calls
    assert call.body["messages"] == batch["messages"], "the batch API is asked the same"
    *images, text = call.body["messages"][-1]["content"]
    assert [part["type"] for part in images] == ["image_url"] * count
    urls = [part["image_url"]["url"] for part in images]
    assert len({urls[0], urls[-1], *urls[1:3]}) == min(count, 4)  # the second place is plain in both
    assert "{'bbox_2d': [750, 167, 917, 333]}, {'bbox_2d': [0, 500, 333, 1000]}" in text["text"]
    width, height = SIZE_WH  # the answer is in coordinates of the whole query
    assert verdict.regions[0].box.xyxy == pytest.approx(
        (0.007 * width, 0.014 * height, 0.028 * width, 0.042 * height)
    )


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl", "internvl", "gemma3", "glm4v", "llama4"])
def test_every_family_takes_crops(tmp_path: Path, family: str) -> None:
    pytest.importorskip("torch")
    from mmrad.inspectors.local import LocalInspector
    from tiny_models import write_tiny

    settings = hinted("crops", max_tokens=4)
    inspector = LocalInspector(write_tiny(family, tmp_path / family), settings, batch_size=2)
    plain = LocalInspector(tmp_path / family, replace(settings, hints={}), batch_size=2)
    first, second = pair_of(tmp_path / "a"), pair_of(tmp_path / "b", reference=False)
    second = replace(second, sample=replace(second.sample, id="unhinted"))
    verdicts = dict(inspector.inspect([first, second]))
    alone = dict(plain.inspect([first, second]))
    assert {verdict.status for verdict in verdicts.values()} <= {"truncated", "unparsed", "empty"}
    tokens = {name: [found[i].usage.input_tokens or 0 for i in (0, 1)]
              for name, found in (("hinted", verdicts), ("plain", alone))}  # fmt: skip
    assert tokens["hinted"][0] > tokens["plain"][0] and tokens["hinted"][1] == tokens["plain"][1]
