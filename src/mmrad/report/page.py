"""The report: one HTML file that asks the network for nothing, with pictures beside it when they are many."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from mmrad.bench import Run
from mmrad.bench.run import price_of
from mmrad.errors import DataError, UsageError
from mmrad.files import write_text
from mmrad.metrics import faithfulness_rates
from mmrad.report.comparable import SHORT, check_comparable, identity
from mmrad.report.facts import SCORE_KINDS, Shown, facts
from mmrad.report.gallery import gallery
from mmrad.report.html import json_in_html, render, scripts
from mmrad.report.outcome import OUTCOMES
from mmrad.report.tables import leaderboard, to_csv, to_latex, to_markdown
from mmrad.report.thresholds import threshold_notes, threshold_text
from mmrad.report.thumbnails import Thumbnails

FILE_NAME = "report.html"

EMBEDDED = 16_000_000
"""Bytes of thumbnails that the file holds itself."""

FAILURES = ("unparsed", "truncated", "empty", "refused", "wrong_model", "failed")

_SCRIPTS = (
    "base", "leaderboard", "chart", "plots", "breakdown", "queries", "gallery", "viewer", "main",
)  # fmt: skip

_DOWNLOADS = {
    "leaderboard.tex": ("LaTeX", "application/x-tex", to_latex),
    "leaderboard.md": ("Markdown", "text/markdown", to_markdown),
    "leaderboard.csv": ("CSV", "text/csv", to_csv),
}


class ReportWriter:
    """Writes the report of runs, as often as they have changed; pictures are read once.

    Args:
        out: Folder to write into, or the path of the file when it ends in `.html`.
        gallery: Largest number of queries shown with pictures and answers.
        thumb: Longest side of a picture in pixels.
        beside: Whether all pictures are files of the folder `NAME_files` beside `NAME.html`; otherwise only
            those for which the file has no room (`EMBEDDED`).
        published: Whether the rows of the paper's Table 4 stand beside one's own.
        mixed: Whether runs may be put together that are not comparable; the page says so.
    """

    def __init__(
        self,
        out: Path,
        *,
        gallery: int = 200,
        thumb: int = 320,
        beside: bool = False,
        published: bool = False,
        mixed: bool = False,
    ) -> None:
        self.path = out if out.suffix == ".html" else out / FILE_NAME
        self._gallery = gallery
        self._published = published
        self._mixed = mixed
        folder = self.path.with_name(f"{self.path.stem}_files")
        self._thumbnails = Thumbnails(thumb, beside=folder, embedded=0 if beside else EMBEDDED)
        self._last: dict[str, Any] = {}

    def write(self, runs: Sequence[Run], *, reload_after: int | None = None) -> Path:
        """Write the file.

        Args:
            runs: The runs; one without any verdict is only named.
            reload_after: Seconds after which the page reads itself again while a run is going on.

        Raises:
            UsageError: When there is no run, one has no queries, or they are not comparable.
            DataError: When there is no verdict at all.
        """
        for run in runs:
            if not run.samples:
                raise UsageError(f"the run {run.info.name!r} has no queries; run  mmrad bench  again")
        warnings = check_comparable(runs, mixed=self._mixed)
        shown = [one for run in runs if (one := _shown(run))]
        if not shown:
            raise DataError(f"{runs[0].path}: no verdict yet; wait for the first, or run  mmrad bench  again")
        waiting = [run.info.name for run in runs if not run.verdicts]
        told = {"warnings": warnings, "waiting": waiting, "reload_after": reload_after}
        self._last = self._values(shown) | told
        write_text(self.path, render("report.html.j2", **self._last))
        self._thumbnails.remove_strays()
        return self.path

    def settle(self) -> None:
        """Write the last page again so that it stops reading itself; nothing when there is none."""
        if self._last:
            write_text(self.path, render("report.html.j2", **self._last | {"reload_after": None}))

    def _values(self, shown: Sequence[Shown]) -> dict[str, Any]:
        """What the template shows."""
        table = leaderboard(
            [one.run for one in shown],
            published=self._published,
            scores=[one.scores for one in shown],
            mixed=self._mixed or any(len(one.run.samples) < one.of for one in shown),
        )
        queries = gallery([one.run for one in shown], self._gallery, self._thumbnails)
        data = facts(shown, published=self._published) | {
            "downloads": {name: write(table) for name, (_, _, write) in _DOWNLOADS.items()},
        }
        script, digest = scripts(*(f"assets/{name}.js" for name in _SCRIPTS))
        return {
            "styles": ("assets/run.css",),
            **_told(shown),
            "table": to_markdown(table),
            "downloads": [(title, f"{name}|{kind}") for name, (title, kind, _) in _DOWNLOADS.items()],
            "published": bool(data["published"]),
            "repeated": bool(data["repeats"]),
            "incomplete": any(len(one.run.samples) < one.of for one in shown),
            "comparable": bool(data["pairs"]),
            "in_gallery": len(queries["queries"].get("id", ())),
            "referenced": any(queries["queries"].get("reference", ())),
            "folder": self.path.with_name(f"{self.path.stem}_files").name if self._thumbnails.apart else None,
            "written": datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
            "facts": json_in_html(data),
            "images": json_in_html(self._thumbnails.uris),
            "queries": _packed(queries),
            "script": script,
            "script_hash": digest,
        }


def write_report(runs: Sequence[Run], out: Path, **options: Any) -> Path:
    """Write the report of runs once.

    The file is self-contained, up to the size given by `EMBEDDED`: more pictures lie in a folder beside it.
    It asks the network for nothing. All text from models, labels and file names is shown as text.

    Args:
        runs: The runs to compare; at least one.
        out: Folder to write into, or the path of the file when it ends in `.html`.
        options: Of `ReportWriter`.

    Returns:
        The file written.

    Raises:
        UsageError: When there is no run, one has no queries, or they are not comparable.
        DataError: When there is no verdict at all.
    """
    return ReportWriter(out, **options).write(runs)


def _shown(run: Run) -> Shown | None:
    """A run with the queries it has come to; None when there are none."""
    if not run.verdicts:
        return None
    so_far = run
    if len(run.verdicts) < len(run.samples):
        ids = [sample.id for sample in run.samples if sample.id in run.verdicts]
        so_far = Run(run.path, run.info.model_copy(update={"sample_ids": ids}))
        so_far.__dict__.update(corpus=run.corpus, verdicts=run.verdicts)
    return Shown(so_far, len(run.samples), so_far.scores())


def _told(shown: Sequence[Shown]) -> dict[str, Any]:
    """What the page says in words and in tables that no control changes."""
    samples = {sample.id: sample for one in shown for sample in one.run.samples}
    rows = [_row(one) for one in shown]
    return {
        "rows": rows,
        "samples": len(samples),
        "anomalous": sum(sample.anomalous for sample in samples.values()),
        "categories": len({(sample.source, sample.category) for sample in samples.values()}),
        "sources": sorted({sample.source for sample in samples.values()}),
        "licences": sorted({sample.licence for sample in samples.values()}),
        "corpora": sorted({one.run.corpus.path.resolve().name for one in shown}),
        "outcomes": OUTCOMES,
        "failures": FAILURES,
        "thresholds": list(threshold_notes([one.run.info for one in shown])),
        "level": shown[0].scores.level,
        "resamples": shown[0].scores.resamples,
    }


def _row(one: Shown) -> dict[str, Any]:
    run, info = one.run, one.run.info
    found = identity(run)
    outcomes = one.outcomes
    return {
        "name": one.name,
        "info": info,
        "asked": len(run.samples),
        "of": one.of,
        "outcomes": [(kind, outcomes[kind.key]) for kind in OUTCOMES],
        "threshold": threshold_text(info),
        "unanswered": one.scores.overall.unanswered,
        "faithfulness": faithfulness_rates(run.samples, run.verdicts),
        "kind": SCORE_KINDS.get(one.scores.score_kind or "", "none"),
        "settings": json.dumps(info.inspector, indent=2, ensure_ascii=False, sort_keys=True),
        "scorer": found.scorer[:SHORT],
        "prompts": (found.prompts or "–")[:SHORT],
        "tasks": {source: digest[:SHORT] for source, digest in found.tasks.items()},
        "price": price_of(info),
        "dropped": info.about.get("dropped") or {},
    }


def _packed(data: object) -> Markup:
    """JSON as gzip in base64, which has no character that means something to HTML."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Models do write lone surrogates, which no UTF-8 text can hold.
    packed = gzip.compress(text.encode("utf-8", "replace"), compresslevel=6, mtime=0)
    return Markup(base64.b64encode(packed).decode("ascii"))
