"""The curves of a training as one page that needs no network, from its `log.jsonl`."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from mmrad.errors import DataError
from mmrad.files import write_text
from mmrad.journal import read_journal
from mmrad.train.callbacks import LOG_FILE

PLOTS_FILE = "plots.html"

# Colours stand for those of the page's style sheet, which has them for light and for dark.
_INK, _LINE, _CURVES = "#5b5f66", "#e2e0da", ("#1f5f8b", "#b4541a")
_VARIABLES = {_INK: "--soft", _LINE: "--line", _CURVES[0]: "--a", _CURVES[1]: "--b"}

_SMOOTHED = 25
"""Parts of a training over which a smooth curve takes means."""


@dataclass(frozen=True)
class Chart:
    """A chart of the page.

    Attributes:
        title: What it shows.
        note: How to read it.
        curves: Fields of the log, and what they are called where there are two.
        share: Whether values are shares, shown from 0 to 100 %.
        line: A value worth comparing with, as a dashed line.
        smooth: Whether means over neighbours are drawn over the values.
    """

    title: str
    note: str
    curves: Mapping[str, str]
    share: bool = False
    line: float | None = None
    smooth: bool = True


CHARTS = (
    Chart(
        "Reward",
        "Mean of the responses as sampled: 1 for a right answer, less what places not found cost.",
        {"reward": ""},
    ),
    Chart("Right answers", "Responses that say the truth of their query as a whole.", {"correct": ""}, True),
    Chart(
        "Answers that say Yes",
        "Of those that can be read. Near 0 or 100 % a model says the same of everything.",
        {"answer_yes": ""},
        True,
        0.5,
    ),
    Chart(
        "Places found",
        "Best IoU of each true place with an answered one, mean. If it stays at 0, look at the coordinates.",
        {"mean_iou": ""},
    ),
    Chart("Readable answers", "Responses in the format that was asked for.", {"parse_rate": ""}, True),
    Chart(
        "Groups that teach nothing",
        "All responses to a query earn the same. After contrastive sampling few should be left.",
        {"zero_advantage": "as sampled", "zero_advantage_after": "after contrastive sampling"},
        True,
    ),
    Chart(
        "Texts put in",
        "A rollout's responses that were replaced.",
        {"injected_reference": "right texts", "injected_negatives": "wrong texts"},
    ),
    Chart(
        "Texts missing",
        "A rollout's groups that could not be contrasted for want of a text.",
        {"lacking_reference": "no right text", "lacking_negatives": "no wrong text"},
    ),
    Chart("Divergence", "From the model that training began with, mean of tokens.", {"kl": ""}),
    Chart(
        "Length of responses",
        "Tokens, as sampled. At the longest that is allowed, answers are cut off.",
        {"completion_tokens": ""},
    ),
    Chart("Loss", "What is minimised. That of GRPO stays near 0 and says little.", {"loss": ""}),
    Chart(
        "Right tokens", "Tokens of the texts that the model finds likeliest.", {"token_accuracy": ""}, True
    ),
    Chart("Gradient", "Norm before clipping.", {"grad_norm": ""}),
    Chart("Learning rate", "Of this update.", {"learning_rate": ""}, smooth=False),
    Chart("Time", "Seconds an update took.", {"seconds": ""}),
)


def write_plots(folder: Path) -> Path:
    """Write the curves of a training into `plots.html` in its folder.

    Args:
        folder: Of the training, with its `log.jsonl`; a torn last line is left out.

    Returns:
        The page.

    Raises:
        DataError: When there is no log, or a line of it is damaged.
    """
    log = folder / LOG_FILE
    if not log.exists():
        raise DataError(f"{log}: missing; a training writes it with its first logged update")
    records = list(read_journal(log))
    drawn = [(chart, curves) for chart in CHARTS if (curves := _curves(chart, records))]
    environment = Environment(
        loader=PackageLoader("mmrad.train", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("plots.html.j2").render(
        name=folder.resolve().name,
        facts=_facts(records),
        charts=[
            {
                "title": chart.title,
                "note": chart.note,
                "legend": _legend(chart, curves),
                "svg": _svg(chart, curves),
            }
            for chart, curves in drawn
        ],
    )
    write_text(folder / PLOTS_FILE, page)
    return folder / PLOTS_FILE


Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Updates and values."""


def _curves(chart: Chart, records: Sequence[Mapping[str, Any]]) -> dict[str, Curve]:
    """The curves of a chart that the log has values for."""
    found = {}
    for field in chart.curves:
        points = [
            (record["step"], value)
            for record in records
            if isinstance(value := record.get(field), int | float) and math.isfinite(value)
        ]
        if points:
            steps, values = np.array(points, dtype=float).T
            found[field] = steps, values
    return found


def _shown(chart: Chart, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over neighbouring values, fewer at both ends; or the values."""
    window = np.ones(2 * (len(values) // _SMOOTHED // 2) + 1 if chart.smooth else 1)
    return np.convolve(values, window, "same") / np.convolve(np.ones_like(values), window, "same")


def _facts(records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What stands at the head of the page."""
    if not records:
        return {}
    facts = {"updates": f"{records[-1]['step']}", "lines of the log": f"{len(records)}"}
    if epoch := records[-1].get("epoch"):
        facts["readings of the data"] = f"{epoch:.2f}"
    if seconds := [record["seconds"] for record in records if "seconds" in record]:
        facts["seconds an update, median"] = f"{median(seconds):.3g}"
    return facts


def _legend(chart: Chart, curves: Mapping[str, Curve]) -> list[dict[str, str]]:
    """Each curve's name and where it ends."""
    fields = list(chart.curves)
    return [
        {
            "colour": "ab"[fields.index(field)],
            "name": chart.curves[field],
            "last": _said(_shown(chart, values)[-1], chart.share),
        }
        for field, (_, values) in curves.items()
    ]


def _said(value: float, share: bool) -> str:
    return f"{value:.1%}".replace("%", " %") if share else f"{value:.3g}"


def _svg(chart: Chart, curves: Mapping[str, Curve]) -> Markup:
    figure = Figure(figsize=(4.4, 2.3), layout="constrained")
    axes = _axes(figure)
    if chart.line is not None:
        axes.axhline(chart.line, color=_INK, linestyle=(0, (4, 3)), linewidth=1)
    for field, colour in zip(chart.curves, _CURVES, strict=False):
        if field not in curves:
            continue
        steps, values = curves[field]
        axes.plot(steps, values, color=colour, linewidth=0.8, alpha=0.35)
        marker = "o" if len(values) == 1 else None
        axes.plot(steps, _shown(chart, values), color=colour, linewidth=1.8, marker=marker)
    if chart.share:
        axes.set_ylim(-0.02, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    return _inline(figure, chart.title)


def _axes(figure: Figure) -> Axes:
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_LINE)
    axes.tick_params(which="both", colors=_INK, labelsize=8)
    axes.yaxis.get_offset_text().set_color(_INK)
    axes.grid(color=_LINE, axis="y")
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("update", color=_INK, fontsize=8)
    return axes


def _inline(figure: Figure, title: str) -> Markup:
    """A figure as SVG in a page: text stays text, colours are the page's."""
    file = io.StringIO()
    # Of the same log the same page; elements of two charts have different names.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    text = file.getvalue()
    text = text[text.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    return Markup(text)
