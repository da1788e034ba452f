"""The desk of a running review application, worked as a person works it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Locator, Page, Route, expect

from browser import PATIENCE
from mmrad.corpus.reviews import Review, read_reviews
from mmrad.review.criteria import Criteria
from mmrad.review.store.store import Store

expect.set_options(timeout=PATIENCE)

Point = tuple[float, float]


def add_queue(folder: Path, ids: Sequence[str], title: str = "check", *, needed: int = 1) -> None:
    """Make a queue of samples of a corpus before the application is started; its key is its title."""
    with closing(Store(f"sqlite:///{folder / 'review.sqlite3'}")) as store:
        store.add_queue(title, Criteria(), list(ids), needed=needed, by="ann")


def reviews_of(folder: Path, sample_id: str) -> list[Review]:
    """The decisions on a sample that are in the corpus."""
    return read_reviews(folder).get(sample_id, [])


class Gate:
    """Holds the requests that it is given as a route until it is opened."""

    def __init__(self) -> None:
        self._open = False
        self._held: list[Route] = []

    def __call__(self, route: Route) -> None:
        if self._open:
            route.continue_()
        else:
            self._held.append(route)

    def open(self) -> None:
        """Let them pass, and all that come later."""
        self._open = True
        for route in self._held:
            route.continue_()


class Desk:
    """The desk in a page.

    Args:
        page: The page.
        url: Address of the application.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        page.set_default_timeout(PATIENCE)

    def open_queue(self, key: str) -> None:
        """Open a queue and wait for its first sample."""
        self.page.goto(f"{self.url}/queue/{key}")
        self.wait_for_picture()

    def open_sample(self, sample_id: str) -> None:
        """Open one sample."""
        self.page.goto(f"{self.url}/sample?id={quote(sample_id, safe='')}")
        self.wait_for(sample_id)

    def route(self, address: str | re.Pattern[str], handler: Callable[[Route], object]) -> None:
        """Handle requests of the page, of which none passes by any more.

        Chromium lets those of an open page pass until its renderer has heard of the interception.
        """
        probe = f"{self.url}/probe"
        self.page.route(address, handler)
        self.page.route(probe, lambda route: route.fulfill(status=204))
        while self.page.evaluate("async (address) => (await fetch(address)).status", probe) != 204:
            pass
        self.page.unroute(probe)

    def wait_for_picture(self) -> None:
        """Wait until the query can be seen as large as its pane allows."""
        self.page.wait_for_function(
            """() => { const image = document.querySelector(".desk-layer.picture");
                return image?.naturalWidth && image.getBoundingClientRect().width > 50; }"""
        )

    def wait_for(self, sample_id: str) -> None:
        """Wait until a sample is shown."""
        expect(self.page.locator(".desk-id")).to_have_text(sample_id)
        self.wait_for_picture()

    def wait_saved(self) -> None:
        """Wait until the server has confirmed all decisions."""
        expect(self.page.locator(".desk-saving")).to_have_text("all saved")

    @property
    def sample_id(self) -> str:
        """Which sample is shown."""
        return self.page.locator(".desk-id").inner_text()

    @property
    def query(self) -> Locator:
        """The pane of the query."""
        return self.page.locator(".desk-pane.query")

    @property
    def message(self) -> Locator:
        """What is said in passing."""
        return self.page.locator(".desk-say")

    @property
    def notices(self) -> Locator:
        """What stays until it is dealt with."""
        return self.page.locator(".desk-notices")

    def labels(self) -> list[str]:
        """What the boxes on the picture are called, each after its number."""
        return self.page.locator(".desk-box text").all_text_contents()

    def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def act(self, name: str) -> None:
        """Click a button."""
        self.page.locator(".desk").get_by_role("button", name=name).click()

    def on_screen(self, x: float, y: float) -> Point:
        """Where a point of the query's picture is in the window."""
        left, top, scale_x, scale_y = self.page.locator(".desk-layer.picture").evaluate(
            """(image) => { const { left, top, width, height } = image.getBoundingClientRect();
                return [left, top, width / image.offsetWidth, height / image.offsetHeight]; }"""
        )
        return left + x * scale_x, top + y * scale_y

    def drag(self, start: Point, end: Point, *, button: Any = "left") -> None:
        """Drag from one point of the picture to another."""
        mouse, (from_x, from_y), (to_x, to_y) = self.page.mouse, self.on_screen(*start), self.on_screen(*end)
        mouse.move(from_x, from_y)
        mouse.down(button=button)
        mouse.move((from_x + to_x) / 2, (from_y + to_y) / 2)
        mouse.move(to_x, to_y)
        mouse.up(button=button)

    def click(self, x: float, y: float) -> None:
        """Click a point of the picture."""
        self.page.mouse.click(*self.on_screen(x, y))

    def zoom(self, x: float, y: float, turns: int) -> None:
        """Turn the wheel over a point of the picture; towards it when positive."""
        self.page.mouse.move(*self.on_screen(x, y))
        for _ in range(abs(turns)):
            self.page.mouse.wheel(0, -120 if turns > 0 else 120)

    def name_box(self, label: str) -> None:
        """Write the label of the box that asks for one."""
        field = self.page.get_by_role("combobox")
        field.fill(label)
        field.press("Enter")

    def boxes(self) -> list[list[int]]:
        """The boxes in hand, as they would be sent now: from the draft that the browser keeps."""
        draft = self.page.evaluate(
            "(id) => Object.entries(localStorage).find(([key]) => key.endsWith(`/draft/${id}`))?.[1]",
            self.sample_id,
        )
        assert draft, "nothing was changed"
        return [region["box"] for region in json.loads(draft)["regions"]]
