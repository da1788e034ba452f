"""Statistics: what the samples of a corpus, or some of them, are made of, and how far their review is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from nicegui import ui
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from mmrad.review.application import Application
from mmrad.review.criteria import Criteria
from mmrad.review.index import Histogram, SelectionStatistics
from mmrad.review.pages.choice import STATUS_NAMES, from_query, phrases
from mmrad.review.pages.parts import bar, box, card, cell, link, plural, row, table, text

MOST_LABELS = 40


async def statistics(application: Application, request: Request) -> None:
    """Fill the page; the address may choose samples as that of the grid does."""
    criteria = from_query(request.query_params)
    _chosen(application, criteria)
    place = box("div", "cards")
    with place:
        text("p", "Counting …", "soft").props("role=status")
    await ui.context.client.connected()
    found, statuses = await run_in_threadpool(_read, application, criteria)
    place.clear()
    with place:
        _draw(found, statuses)


def _chosen(application: Application, criteria: Criteria) -> None:
    if phrases(criteria):
        with box("div", "above"):
            for phrase in phrases(criteria):
                text("span", phrase, "chip")
            link("All samples", application.url("/statistics"))


def _read(application: Application, criteria: Criteria) -> tuple[SelectionStatistics, dict[str, int]]:
    index, statuses = application.index, application.ledger.statuses()
    rows = index.select(criteria, statuses)
    standing = Counter(statuses.get(index.ids[row], "open") for row in rows)
    return index.statistics(rows), {
        name: standing[key] for key, name in STATUS_NAMES.items() if standing[key]
    }


def _draw(found: SelectionStatistics, statuses: Mapping[str, int]) -> None:
    _figures(found)
    with card("Review"):
        _shares("Samples by how their review stands", "Review", statuses, found.samples)
    with card("Splits"):
        _shares("Samples by split", "Split", found.splits, found.samples)
    with card("Regions of an image"):
        counts = {str(number): count for number, count in found.regions_per_image.items()}
        _shares("Anomalous samples by their number of regions", "Regions", counts, found.anomalous)
    with card("Categories", "wide"):
        _categories(found)
    with card("Labels"):
        _labels(found)
    for histogram in (
        _Plot(
            "Box sizes",
            "side of a square of the box's area, relative to the image's",
            found.box_sizes,
            100,
            "%",
        ),
        _Plot("Shortest sides of boxes", "pixels", found.box_sides, 1, " px"),
        _Plot("Longest sides of images", "pixels", found.image_sides, 1, " px"),
    ):
        _histogram(histogram)


def _figures(found: SelectionStatistics) -> None:
    with box("div", "figures wide"):
        for value, name in (
            (found.samples, "samples"),
            (found.samples - found.anomalous, "normal"),
            (found.anomalous, "anomalous"),
            (found.regions, "regions"),
            (len(found.labels), "labels"),
            (len(found.categories), "categories"),
        ):
            with box("div", "figure"):
                text("strong", f"{value:,}")
                text("span", name)


def _shares(
    caption: str, heading: str, counts: Mapping[str, int], total: int, counted: str = "Samples"
) -> None:
    with table(caption, [heading, "Share", counted], numbers=[2]):
        for name, count in counts.items():
            share = count / total if total else 0.0
            with box("tr"):
                text("th", name).props("scope=row")
                with cell("share"):
                    bar(share, f"{share:.1%}")
                text("td", f"{count:,}", "number")


def _categories(found: SelectionStatistics) -> None:
    with box("div", "key fine"):
        for name in ("normal", "anomalous"):
            with box("span"):
                box("span", f"dot {name}", aria_hidden="true")
                text("span", name)
    most = max((one.normal + one.anomalous for one in found.categories), default=1)
    with table(
        "Samples by category", ["Category", "Source", "Normal and anomalous", "Normal", "Anomalous"],
        numbers=[3, 4],
    ):  # fmt: skip
        for category in found.categories:
            with row(category.category, category.source):
                with cell("share"), box("div", "stacked", aria_hidden="true"):
                    box("span", "normal").style(f"width: {100 * category.normal / most:.2f}%")
                    box("span", "anomalous").style(f"width: {100 * category.anomalous / most:.2f}%")
                text("td", f"{category.normal:,}", "number")
                text("td", f"{category.anomalous:,}", "number")


def _labels(found: SelectionStatistics) -> None:
    shown = dict(list(found.labels.items())[:MOST_LABELS])
    _shares("Regions by label", "Label", shown, found.regions, "Regions")
    if len(found.labels) > len(shown):
        text("p", f"and {plural(len(found.labels) - len(shown), 'rarer label')}", "fine")


@dataclass(frozen=True, slots=True)
class _Plot:
    """A histogram and its words; edges are shown times `factor`."""

    title: str
    meaning: str
    histogram: Histogram
    factor: float
    unit: str

    @property
    def ranges(self) -> list[str]:
        """The bins in words."""
        edges = [edge * self.factor for edge in self.histogram.edges]
        words = [f"{edge:,.0f}" if edge >= 100 else f"{edge:.3g}" for edge in edges]
        return [f"{low}–{high}{self.unit}" for low, high in pairwise(words)]

    @property
    def bins(self) -> list[tuple[str, int]]:
        """Name and count of each bin from the first to the last that holds something."""
        counts = self.histogram.counts
        filled = [number for number, count in enumerate(counts) if count]
        both = list(zip(self.ranges, counts, strict=True))
        return both[filled[0] : filled[-1] + 1] if filled else []


def _histogram(plot: _Plot) -> None:
    if not plot.bins:
        return
    with card(plot.title):
        text("p", plot.meaning, "fine")
        chart = ui.echart(_options(plot.bins), renderer="svg").classes("chart")
        chart.props["aria-hidden"] = "true"
        with box("details"):
            text("summary", "As a table")
            with table(plot.title, [plot.meaning.capitalize(), "Count"], numbers=[1]):
                for name, count in plot.bins:
                    row(name, count)


def _options(bins: Sequence[tuple[str, int]]) -> dict[str, object]:
    """What ECharts draws; its colours come from the style sheet."""
    return {
        "animation": False,
        "grid": {"left": 8, "right": 8, "top": 12, "bottom": 4, "containLabel": True},
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "none"}},
        "xAxis": {"type": "category", "data": [name for name, _ in bins], "axisTick": {"show": False}},
        "yAxis": {"type": "value", "minInterval": 1},
        "series": [
            {"type": "bar", "data": [count for _, count in bins], "barCategoryGap": "12%", "color": "#3f86b8"}
        ],
    }
