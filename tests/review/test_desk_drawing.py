"""Boxes on the desk, by mouse and by keyboard, down to the line in the corpus."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from desking import Desk, reviews_of
from mmrad.box import Box
from reviewed import DEEP, GOOD, PART, TURNED, WIDE, made_runs, reviewed_corpus
from served import Served, served


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    corpus = tmp_path_factory.mktemp("drawing") / "corpus"
    made_runs(reviewed_corpus(corpus), corpus.parent / "runs")
    return corpus


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Served]:
    with served(folder, "--reviewer", "ann", "--runs", str(folder.parent / "runs")) as running:
        yield running


@pytest.fixture
def desk(page: Page, server: Served) -> Desk:
    return Desk(page, server.url)


def within_a_pixel(box: Box, expected: tuple[float, ...]) -> bool:
    return all(abs(a - b) <= 1 for a, b in zip(box.xyxy, expected, strict=True))


def test_a_box_drawn_on_a_turned_zoomed_picture_is_in_the_corpus_in_original_pixels(
    desk: Desk, folder: Path
) -> None:
    desk.open_sample(TURNED)
    desk.zoom(120, 360, 2)
    desk.drag((150, 400), (170, 390), button="middle")
    expect(desk.page.locator(".desk-percent")).not_to_have_text("135 %")
    assert pixel(desk, 80, 400) == "red" and pixel(desk, 60, 330) == "grey"  # the picture stands upright
    desk.drag((61, 297), (173, 342))
    desk.name_box("chip")
    desk.press("k")
    desk.wait_saved()
    (review,) = reviews_of(folder, TURNED)
    kept, drawn = review.after
    assert kept == review.before[0] and kept.box.xyxy == (20, 350, 140, 460)
    assert drawn.label == "chip" and within_a_pixel(drawn.box, (61, 297, 173, 342))
    assert all(value == int(value) for value in drawn.box.xyxy)


def pixel(desk: Desk, x: float, y: float) -> str:
    """Whether the screen is red at a point of the picture."""
    left, top = desk.on_screen(x, y)
    shot = desk.page.screenshot(clip={"x": left - 1, "y": top - 1, "width": 2, "height": 2})
    red, green, _ = Image.open(io.BytesIO(shot)).convert("RGB").getpixel((1, 1))  # type: ignore[misc]
    return "red" if red > green + 80 else "grey"


def test_drawing_beyond_the_border_ends_at_it(desk: Desk) -> None:
    desk.open_sample(GOOD)
    desk.zoom(180, 120, -3)
    desk.drag((300, 200), (420, 300))
    desk.name_box("stain")
    (box,) = desk.boxes()
    assert within_a_pixel(Box(*box), (300, 200, 360, 240)) and box[2:] == [360, 240]


def test_moving_and_resizing_by_mouse(desk: Desk) -> None:
    desk.open_sample(DEEP)
    desk.click(140, 40)
    desk.drag((140, 40), (130, 70))
    (box,) = desk.boxes()
    assert within_a_pixel(Box(*box), (90, 50, 170, 90)) and box[2] - box[0] == 80
    x1, y1, x2, y2 = box
    desk.drag((x2, y2), (x2 + 20, y2 + 10))
    desk.drag((x1, (y1 + y2) / 2), (x1 - 30, y1))
    desk.drag(((x1 + x2) / 2, y1), (0, y1 - 20))
    (box,) = desk.boxes()
    assert within_a_pixel(Box(*box), (x1 - 30, y1 - 20, x2 + 20, y2 + 10))
    desk.press("Control+z", "Control+z", "Control+z", "Control+z")
    expect(desk.page.get_by_role("button", name="Undo")).to_be_disabled()
    desk.press("Control+Shift+z")
    assert within_a_pixel(Box(*desk.boxes()[0]), (90, 50, 170, 90))


def test_a_box_by_keyboard_alone(desk: Desk, folder: Path) -> None:
    desk.open_sample(GOOD)
    desk.press("n")
    expect(desk.message).to_contain_text("New box")
    first = [180, 120]  # the middle of the picture
    desk.press("ArrowLeft", "Shift+ArrowUp", "Enter", *["Shift+ArrowRight"] * 3, *["ArrowDown"] * 4, "Enter")
    desk.page.keyboard.type("scratch")
    desk.press("Enter")
    x1, y1 = first[0] - 1, first[1] - 10
    assert desk.boxes() == [[x1, y1, x1 + 31, y1 + 5]]
    desk.press("ArrowRight", "Shift+ArrowDown", "Alt+ArrowDown", "Alt+Shift+ArrowRight", "Control+ArrowLeft")
    assert desk.boxes() == [[x1, y1 + 10, x1 + 42, y1 + 16]]
    desk.press("l")
    desk.page.keyboard.type("dent")
    desk.press("Enter", "Enter")
    desk.wait_saved()
    (review,) = reviews_of(folder, GOOD)
    assert [(region.box.xyxy, region.label) for region in review.after] == [
        ((x1, y1 + 10, x1 + 42, y1 + 16), "dent")
    ]


def test_selecting_merging_splitting_and_deleting_by_keyboard(desk: Desk, folder: Path) -> None:
    desk.open_sample(WIDE)
    desk.press("Tab", "Tab")
    expect(desk.page.locator(".desk-box").nth(1)).to_be_focused()
    expect(desk.page.locator(".desk-box").nth(1)).to_have_accessible_name(
        "Box 2 of 2: dent, 40 by 30 pixels at 260, 100"
    )
    desk.press("a", "Shift+Tab", "g")
    assert desk.boxes() == [[40, 30, 300, 130]]
    desk.press("Control+z", "Tab", "x", "x", "Enter")
    assert desk.boxes() == [[40, 30, 200, 70], [260, 100, 300, 115], [260, 115, 300, 130]]
    desk.press("Delete")
    assert len(desk.boxes()) == 2
    desk.press("Control+y")
    expect(desk.message).to_contain_text("Nothing")
    desk.press("k")
    desk.wait_saved()
    (review,) = reviews_of(folder, WIDE)
    assert [region.mask is None for region in review.after] == [False, True]


def test_one_of_several_boxes_keeps_its_mask_when_merged(desk: Desk, folder: Path) -> None:
    desk.open_sample(WIDE)
    seen = len(reviews_of(folder, WIDE))
    desk.press("Control+a", "g", "k")
    desk.wait_saved()
    assert len(reviews_of(folder, WIDE)) == seen + 1


def test_labels_are_completed_from_those_of_the_category(desk: Desk) -> None:
    desk.open_sample(PART)
    desk.press("Tab", "l")
    field = desk.page.get_by_role("combobox")
    expect(field).to_have_attribute("aria-expanded", "true")
    options = desk.page.get_by_role("listbox", name="Label of box 1").get_by_role("option")
    wanted = options.all_inner_texts()[-1]
    field.fill(wanted[1:3].upper())
    expect(options.filter(has_text=wanted)).to_be_visible()
    while (
        field.get_attribute("aria-activedescendant") is None
        or not desk.page.locator(f"#{field.get_attribute('aria-activedescendant')}", has_text=wanted).count()
    ):
        field.press("ArrowDown")
    field.press("Enter")
    expect(desk.page.locator(".desk-box text")).to_have_text(f"1 {wanted}")


def test_a_box_without_a_label_cannot_be_kept(desk: Desk, folder: Path) -> None:
    desk.open_sample(DEEP)
    before = len(reviews_of(folder, DEEP))
    desk.drag((20, 90), (60, 130))
    desk.press("Escape", "k")
    expect(desk.message).to_contain_text("has no label yet")
    expect(desk.page.get_by_role("combobox")).to_be_focused()
    assert len(reviews_of(folder, DEEP)) == before
    assert len(desk.boxes()) == 2


def test_looking_closer(desk: Desk) -> None:
    desk.open_sample(WIDE)
    percent = desk.page.locator(".desk-percent")
    whole = percent.inner_text()
    desk.press("1")
    expect(percent).to_have_text("100 %")
    desk.press(*["+"] * 6)
    expect(desk.page.locator(".desk-layer.picture")).to_have_class("desk-layer picture pixelated")
    desk.press("0")
    expect(percent).to_have_text(whole)
    before = desk.on_screen(300, 115)
    desk.zoom(300, 115, 3)
    expect(percent).not_to_have_text(whole)
    assert desk.on_screen(300, 115) == pytest.approx(before, abs=1)


def test_the_reference_goes_along_and_shows_in_the_query_place(desk: Desk) -> None:
    desk.open_sample(PART)
    reference = desk.page.locator(".desk-pane.reference .desk-layer")
    before = reference.bounding_box()
    desk.drag((100, 75), (140, 90), button="middle")
    after = reference.bounding_box()
    assert before and after
    left, right = desk.on_screen(0, 0)[0], desk.on_screen(40, 0)[0]
    assert after["x"] - before["x"] == pytest.approx(right - left, abs=1)
    box = desk.page.locator(".desk-pane.reference").bounding_box()
    assert box
    mouse, centre = desk.page.mouse, (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    mouse.move(*centre)
    mouse.down()
    mouse.move(centre[0] - 30, centre[1], steps=3)
    mouse.up()
    assert desk.on_screen(0, 0)[0] == pytest.approx(left - 30, abs=1)
    blink = desk.page.locator(".desk-layer.blink")
    expect(blink).to_be_hidden()
    desk.page.keyboard.down("b")
    expect(blink).to_be_visible()
    expect(desk.page.locator(".desk-box")).to_have_count(0)
    desk.page.keyboard.up("b")
    expect(blink).to_be_hidden()
    first = reference.get_attribute("src")
    desk.press("]")
    expect(desk.message).to_have_text("Reference 2 of 2.")
    assert reference.get_attribute("src") != first
    desk.press("h")
    expect(desk.page.locator(".desk-box")).to_have_count(0)
    desk.press("m")
    expect(desk.page.locator(".desk-layer.mask")).to_be_visible()


def test_proposals_of_a_run_are_looked_at_and_taken(desk: Desk, folder: Path) -> None:
    desk.open_sample(WIDE)
    had = len(desk.labels())
    desk.press("p")
    menu = desk.page.get_by_role("dialog", name="Propose boxes from")
    names = menu.get_by_role("button").all_inner_texts()
    desk.press(str(next(i for i, name in enumerate(names, 1) if "expert" in name)))
    proposed = desk.page.locator(".desk-other.proposed")
    expect(proposed.first).to_be_visible()
    count = proposed.count()
    desk.page.get_by_role("button", name="Accept proposal 1").click()
    assert len(desk.boxes()) == had + 1
    expect(proposed).to_have_count(count - 1)
    desk.press("Escape", "p")
    desk.page.get_by_role("button", name="expert").click()
    expect(proposed).to_have_count(count)
    desk.press("Shift+P")
    assert len(desk.boxes()) == had + 1 + count
    desk.press("Control+z", "k")
    desk.wait_saved()
    assert len(reviews_of(folder, WIDE)[-1].after) == had + 1


def test_a_box_is_tightened_where_there_is_a_model(desk: Desk) -> None:
    def with_model(route: Route) -> None:
        answer = route.fetch()
        assert '"segments":false' in answer.text()
        route.fulfill(response=answer, body=answer.text().replace('"segments":false', '"segments":true'))

    sent = []

    def tighten(route: Route) -> None:
        sent.append(route.request.post_data_json)
        route.fulfill(json={"box": [24, 352, 130, 450]})

    desk.page.route(f"{desk.url}/sample?*", with_model)
    desk.page.route("**/api/segment", tighten)
    desk.open_sample(TURNED)
    desk.press("Tab", "w")
    expect(desk.message).to_have_text("Tightened.")
    assert sent == [{"id": TURNED, "box": [20, 350, 140, 460]}]
    assert desk.boxes()[0] == [24, 352, 130, 450]
