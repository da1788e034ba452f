"""The plots of a corpus as PNG files; drawn with matplotlib's objects, so that no global state is touched."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mmrad.curate.statistics import CategoryCounts, Statistics

_NORMAL, _ANOMALOUS = "#8fb3cf", "#b4541a"
_INK, _LINE = "#5b5f66", "#e2e0da"
_WIDTH = 7.2
_DPI = 160


def plot_statistics(statistics: Statistics) -> dict[str, bytes]:
    """The plots by name, each a PNG file: `box_size`, `boxes_per_image` and `images_per_category`."""
    return {
        "box_size": _box_size(statistics),
        "boxes_per_image": _boxes_per_image(statistics),
        "images_per_category": _images_per_category(statistics.categories),
    }


def _box_size(statistics: Statistics) -> bytes:
    figure, axes = _axes(3.2)
    edges, counts = statistics.box_size_histogram()
    axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=_ANOMALOUS, edgecolor="white")
    axes.set_xscale("log")
    axes.set_xticks([0.001, 0.01, 0.1, 1], ["0.1 %", "1 %", "10 %", "100 %"])
    axes.set_xlabel("side of the box relative to the image, √(box area) / √(image area)")
    axes.set_ylabel("anomalies")
    return _png(figure)


def _boxes_per_image(statistics: Statistics) -> bytes:
    figure, axes = _axes(3.2)
    histogram = statistics.boxes_per_image_histogram()
    axes.bar(list(histogram), list(histogram.values()), 0.9, color=_ANOMALOUS)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("boxes")
    axes.set_ylabel("anomalous images")
    return _png(figure)


def _images_per_category(categories: Sequence[CategoryCounts]) -> bytes:
    figure, axes = _axes(1.2 + 0.2 * len(categories))
    places = np.arange(len(categories))
    normal = [row.normal for row in categories]
    axes.barh(places, normal, color=_NORMAL, label="normal")
    axes.barh(places, [row.anomalous for row in categories], left=normal, color=_ANOMALOUS, label="anomalous")
    # A name is text, whatever it looks like: `$` starts no formula.
    axes.set_yticks(places, [_short(f"{row.source}/{row.category}") for row in categories], parse_math=False)
    axes.set_ylim(len(categories) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.grid(color=_LINE, axis="x")
    axes.set_xlabel("images")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)
    return _png(figure)


def _axes(height: float) -> tuple[Figure, Axes]:
    """A figure of that height in inches with one pair of axes."""
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_LINE)
    axes.tick_params(which="both", colors=_INK, labelsize=9)
    axes.xaxis.label.set_color(_INK)
    axes.yaxis.label.set_color(_INK)
    axes.grid(color=_LINE, axis="y")
    axes.set_axisbelow(True)
    return figure, axes


def _short(name: str, longest: int = 40) -> str:
    """A name on one line that leaves room for its bar."""
    name = " ".join(name.split())
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The font has no Chinese, say; the page's table shows such a name, the plot shows boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()
