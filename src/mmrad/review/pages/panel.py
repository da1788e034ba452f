"""The panel to choose samples with: what they have, and how many of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nicegui import ui
from starlette.concurrency import run_in_threadpool

from mmrad.review.application import Application
from mmrad.review.criteria import Criteria
from mmrad.review.pages.choice import GROUPS, ORDER_NAMES, Group, values_of
from mmrad.review.pages.parts import box, button, plural, text, told

Counts = Mapping[str, Mapping[str, int]]

FEW = 8
"""Values of a group that are shown before somebody asks for all."""
MANY = 300
"""Values of a group that are ever shown; the words in the field above it find the others."""


def count(application: Application, criteria: Criteria) -> int:
    """How many samples have what is asked for."""
    return len(application.index.select(criteria, application.ledger.statuses()))


def facets(application: Application, criteria: Criteria) -> Counts:
    """How many samples there would be for each value of each facet."""
    return application.index.facets(criteria, application.ledger.statuses())


class Panel:
    """Fields for all that `Criteria` asks for, but for the limit.

    Args:
        application: The application.
        criteria: The choice to begin with.
        changed: Called with each new choice.
    """

    def __init__(
        self, application: Application, criteria: Criteria, changed: Callable[[Criteria], Awaitable[None]]
    ) -> None:
        self.application = application
        self.criteria = criteria
        self._changed = changed
        self._everything: Counts = {}
        self._groups: list[_GroupFields] = []
        self._place = box("div", "panel")

    async def show(self, criteria: Criteria) -> None:
        """Draw the fields for a choice."""
        self.criteria = criteria
        self._everything = await run_in_threadpool(facets, self.application, Criteria(run=criteria.run))
        self._place.clear()
        with self._place:
            self._draw_first()
            self._groups = [
                _GroupFields(group, values, self)
                for group in GROUPS
                if len(values := values_of(group, self._everything)) > 1 or getattr(criteria, group.field)
            ]
            self._draw_further()
        await self._count()

    async def choose(self, **fields: Any) -> None:
        """Take another value for some fields of the choice."""
        self.criteria = Criteria(**{**self.criteria.model_dump(), **fields})
        await self._changed(self.criteria)
        await self._count()

    async def _count(self) -> None:
        asked = self.criteria
        counts = await run_in_threadpool(facets, self.application, asked)
        if asked == self.criteria:  # or another choice was made meanwhile
            for group in self._groups:
                group.show(counts.get(group.group.facet, {}))

    def _draw_first(self) -> None:
        search = ui.input("Part of the id", value=self.criteria.search).props("debounce=300 clearable")
        search.on_value_change(told(lambda event: self.choose(search=event.value or "")))
        kinds = {None: "Normal and anomalous", True: "Only anomalous", False: "Only normal"}
        _select("Kind", kinds, self.criteria.anomalous, lambda value: self.choose(anomalous=value))

    def _draw_further(self) -> None:
        names = self.application.index.run_names
        smallest = ui.number("Smallest region at most (px)", value=self.criteria.smallest, min=1)
        smallest.props("debounce=300 clearable")
        smallest.on_value_change(told(self._choose_smallest))
        self._check("Teachers disagree", "teachers_disagree")
        if len(names) > 1:
            self._check("Runs disagree", "runs_disagree")
        if names:
            runs: dict[str | None, str] = {None: "No run"} | {name: name for name in names}
            _select("Run", runs, self.criteria.run, self._choose_run)
        orders = {key: name for key, name in ORDER_NAMES.items() if key != "uncertain" or self.criteria.run}
        _select("Order", orders, self.criteria.order, lambda value: self.choose(order=value))

    def _check(self, title: str, field: str) -> None:
        check = ui.checkbox(title, value=getattr(self.criteria, field))
        check.on_value_change(told(lambda event: self.choose(**{field: event.value})))

    async def _choose_smallest(self, event: Any) -> None:
        # Zero and less can be typed as well.
        await self.choose(smallest=max(event.value or 0, 0) or None)

    async def _choose_run(self, name: str | None) -> None:
        order = "corpus" if name is None and self.criteria.order == "uncertain" else self.criteria.order
        await self.choose(run=name, verdicts=(), order=order)
        await self.show(self.criteria)  # other verdicts and orders to choose from


def _select(title: str, options: Mapping[Any, str], value: object, act: Callable[[Any], Any]) -> None:
    select = ui.select(dict(options), label=title, value=value)
    select.on_value_change(told(lambda event: act(event.value)))


class _GroupFields:
    """The values of one group as boxes to tick, with counts."""

    def __init__(self, group: Group, values: list[str], panel: Panel) -> None:
        self.group = group
        self._values = values
        self._panel = panel
        self._counts: Mapping[str, int] = {}
        self._labels: dict[str, ui.label] = {}
        self._words = ""
        with box("fieldset", "group"):
            text("legend", group.title)
            if len(values) > FEW:
                self._draw_search()
            self._rows = box("div", "choices")
        self._draw_rows()

    def show(self, counts: Mapping[str, int]) -> None:
        """Show how many samples there would be with each value."""
        self._counts = counts
        for value, label in self._labels.items():
            label.text = f"{counts.get(value, 0):,}"

    def _draw_search(self) -> None:
        search = ui.input(f"Find among {plural(len(self._values), 'value')}").props("debounce=200 clearable")

        def find(event: Any) -> None:
            self._words = (event.value or "").casefold()
            self._draw_rows()

        search.on_value_change(find)

    def _draw_rows(self, most: int = FEW) -> None:
        found = [value for value in self._values if self._words in self.group.name(value).casefold()]
        first = [value for value in found if value in self._chosen]
        rows = [*first, *(value for value in found if value not in first)]
        self._labels.clear()
        self._rows.clear()
        with self._rows:
            for value in rows[: max(most, len(first))]:
                self._draw_row(value)
            if len(rows) > most and most < MANY:
                button(f"Show all {len(rows):,}", lambda: self._draw_rows(MANY), "quiet")
        self.show(self._counts)

    def _draw_row(self, value: str) -> None:
        with box("div", "choice"):
            check = ui.checkbox(self.group.name(value), value=value in self._chosen)
            self._labels[value] = ui.label("").classes("count")
        check.on_value_change(told(lambda event: self._tick(value, event.value)))

    async def _tick(self, value: str, ticked: bool) -> None:
        others = tuple(one for one in self._chosen if one != value)
        await self._panel.choose(**{self.group.field: (*others, value) if ticked else others})

    @property
    def _chosen(self) -> tuple[str, ...]:
        chosen: tuple[str, ...] = getattr(self._panel.criteria, self.group.field)
        return chosen
