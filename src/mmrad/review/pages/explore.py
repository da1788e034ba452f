"""Explore: a grid of samples with a panel to choose them; the choice stands in the address."""

from __future__ import annotations

from nicegui import ui
from starlette.requests import Request

from mmrad.review.application import Application
from mmrad.review.criteria import Criteria
from mmrad.review.pages.choice import from_query, phrases, to_query
from mmrad.review.pages.grid import Grid, samples_of
from mmrad.review.pages.new_queue import ask_for_queue
from mmrad.review.pages.panel import Panel
from mmrad.review.pages.parts import box, button, link, plural, text
from mmrad.review.pages.viewer import show_sample
from mmrad.review.records import Role


async def explore(application: Application, request: Request) -> None:
    """Fill the page."""
    await _Explore(application, from_query(request.query_params)).start()


class _Explore:
    """What stands on the page, and the choice that it shows."""

    def __init__(self, application: Application, criteria: Criteria) -> None:
        self.application = application
        with box("div", "explore"):
            with box("aside", "side", aria_label="Filter"):
                self.panel = Panel(application, criteria, self.choose)
            with box("div", "explore-grid"):
                self.above = box("div", "above")
                self.grid = Grid(
                    application,
                    samples_of(criteria),
                    opens=None if application.read_only else "/sample?id=",
                    on_counted=self.counted,
                    on_opened=self.opened,
                )

    async def start(self) -> None:
        """Fill the panel; the grid asks for its samples by itself."""
        await ui.context.client.connected()
        await self.panel.show(self.panel.criteria)

    async def choose(self, criteria: Criteria) -> None:
        """Show other samples."""
        self.grid.show(samples_of(criteria))
        query = to_query(criteria)
        ui.navigate.history.replace(self.application.url("/explore") + (f"?{query}" if query else ""))

    def counted(self, total: int) -> None:
        """Tell how many samples there are, and what they have in common."""
        criteria = self.panel.criteria
        self.above.clear()
        with self.above:
            text("strong", plural(total, "sample")).props("role=status")
            for phrase in phrases(criteria):
                text("span", phrase, "chip")
            if phrases(criteria):
                link("Clear", self.application.url("/explore"))
            text("span", "", "spacer")
            link(
                "Statistics of these",
                self.application.url(f"/statistics?{to_query(criteria)}"),
                "button quiet",
            )
            if self.application.store and self.application.person().role.allows(Role.ADMIN) and total:
                button(
                    "Make a queue of these",
                    lambda: ask_for_queue(self.application, criteria),
                    icon="playlist_add",
                )

    async def opened(self, sample_id: str) -> None:
        """Show a sample large."""
        await show_sample(self.application, sample_id, self.panel.criteria.run)
