"""`mmrad score`."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from mmrad.cli.options import JsonOption
from mmrad.cli.progress import counted, progress
from mmrad.errors import DataError, UsageError

if TYPE_CHECKING:
    from mmrad.bench import Run
    from mmrad.report.markup import Table


class Format(Enum):
    """What the table is written as."""

    TEXT = "text"
    MARKDOWN = "markdown"
    LATEX = "latex"
    CSV = "csv"
    JSON = "json"


class By(Enum):
    """What the sections of the table are."""

    SOURCE = "source"
    CATEGORY = "category"
    SIZE = "size"
    TYPE = "type"
    PIXELS = "pixels"
    RUN = "run"


class Iou(Enum):
    """From which IoU on a place is found."""

    LOW = "0.1"
    MIDDLE = "0.3"
    HIGH = "0.5"


def score(
    runs: Annotated[Path, typer.Argument(help="Folder of the runs, or of one run.")],
    by: Annotated[
        By,
        typer.Option(
            help="A section for each source, category, size or type of the true places; `pixels`: how well "
            "the maps of experts mark anomalous pixels; `run`: AUROC, false alarms, calibration, agreement "
            "of reasoning and answer, and cost of each run."
        ),
    ] = By.SOURCE,
    iou: Annotated[Iou, typer.Option(help="From this IoU on, a place is found.")] = Iou.LOW,
    published: Annotated[
        bool, typer.Option("--published", help="Show the rows of the paper's Table 4 beside one's own.")
    ] = False,
    compare: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="Differences from this run, query by query, with p-values. Name or folder."
        ),
    ] = None,
    mixed: Annotated[
        bool, typer.Option("--mixed", help="Put runs into one table that are not comparable; it says so.")
    ] = False,
    reparse: Annotated[
        bool, typer.Option("--reparse", help="Read the texts of the answers again with today's grammar.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="With --reparse: keep what is read otherwise now in the runs.")
    ] = False,
    format_: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.TEXT,
    out: Annotated[Path | None, typer.Option(help="File to write; printed by default.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Score the stored answers of runs, without asking anybody.

    Runs that were asked with different prompts, or different queries of one source, are not put into one
    table unasked.

    Example:  mmrad score runs --published --format latex --out table.tex
    """
    from mmrad.report import comparable, tables
    from mmrad.report.watch import load_runs

    wanted = Format.JSON if as_json else format_
    _check(by, iou, published, compare, reparse, write)
    opened = load_runs(runs)
    comparable.check_comparable(opened, mixed=mixed)
    changed = _reparse(opened, write) if reparse else {}
    table = _table(opened, runs, by, float(iou.value), published, compare, mixed)
    if wanted is Format.TEXT and out is None:
        _print(table)
        return
    if wanted is Format.JSON:
        text = json.dumps(_everything(opened, table, changed), indent=2) + "\n"
    elif wanted is Format.LATEX:
        text = tables.to_latex(table)
    elif wanted is Format.CSV:
        text = tables.to_csv(table)
    else:
        text = tables.to_markdown(table)
    _write(text, out)


def _check(by: By, iou: Iou, published: bool, compare: str | None, reparse: bool, write: bool) -> None:
    """Refuse what would be left unheard."""
    if write and not reparse:
        raise UsageError("--write keeps what --reparse reads; give both")
    if compare and by is not By.SOURCE:
        raise UsageError("--compare makes a table of its own; leave out --by")
    if published and (by is not By.SOURCE or compare or iou is not Iou.LOW):
        raise UsageError("--published has figures by source at IoU 0.1; leave out --by, --compare and --iou")
    if iou is not Iou.LOW and by in (By.SIZE, By.TYPE, By.PIXELS, By.RUN):
        raise UsageError(f"--by {by.value} has no single IoU; leave out --iou")


def _reparse(runs: list[Run], write: bool) -> dict[str, int]:
    """How many verdicts are read otherwise now, by run; the runs have them from here on."""
    from mmrad.bench.reparse import reparse, write_reparsed

    changed: dict[str, int] = {}
    left: list[DataError] = []
    for run in runs:
        try:
            reparsed = reparse(run)
        except DataError as error:
            left.append(error)
            continue
        if write:
            write_reparsed(run, reparsed)
        run.verdicts = reparsed.verdicts
        changed[run.info.name] = len(reparsed.changed)
        kept = "written" if write else "not written; --write keeps them"
        count = f"{len(reparsed.changed):,} of {len(reparsed.verdicts):,}"
        typer.echo(f"{run.info.name}: {count} verdicts changed ({kept})", err=True)
    if not changed:
        raise left[0]
    for reason in left:
        typer.echo(f"left as stored: {reason}", err=True)
    return changed


def _table(
    runs: list[Run], folder: Path, by: By, iou: float, published: bool, compare: str | None, mixed: bool
) -> Table:
    from mmrad.report import tables

    if compare:
        return tables.comparison(runs, _named(runs, folder, compare), iou=iou, mixed=mixed)
    if by in (By.SIZE, By.TYPE):
        return tables.breakdown(runs, by.value, mixed=mixed)
    if by is By.RUN:
        return tables.details(runs, mixed=mixed)
    if by is By.PIXELS:
        with progress("pixels") as update:
            return tables.pixels(runs, mixed=mixed, progress=counted(update))
    return tables.leaderboard(
        runs,
        published=published,
        iou=iou,
        by_category=by is By.CATEGORY,
        mixed=mixed,
    )


def _named(runs: list[Run], folder: Path, name: str) -> Run:
    from mmrad.bench import Run

    for run in runs:
        if name == run.info.name or Path(name).resolve() == run.path.resolve():
            return run
    if (Path(name) / "run.json").is_file():
        return Run.load(Path(name))
    names = ", ".join(run.info.name for run in runs)
    raise UsageError(f"{name!r} is neither a run of {folder} ({names}) nor the folder of one")


def _everything(runs: list[Run], table: Table, changed: dict[str, int]) -> dict[str, Any]:
    from dataclasses import asdict

    from mmrad import metrics
    from mmrad.bench.pixel_figures import kept_pixel_figures
    from mmrad.bench.run import price_of
    from mmrad.report.comparable import identity

    return {
        "table": table.to_dict(),
        "runs": [
            {
                "name": run.info.name,
                "path": str(run.path),
                "identity": asdict(identity(run)),
                "reparsed_changed": changed.get(run.info.name),
                "scores": run.scores().to_dict(),
                "pixels": (marked := kept_pixel_figures(run)) and marked.to_dict(),
                "calibration": asdict(metrics.calibration(run.samples, run.verdicts)),
                "faithfulness": asdict(metrics.faithfulness_rates(run.samples, run.verdicts)),
                "cost": asdict(metrics.cost(list(run.verdicts.values()), price_of(run.info))),
            }
            for run in runs
        ],
    }


def _write(text: str, out: Path | None) -> None:
    from mmrad.files import write_text

    if out is None:
        typer.echo(text, nl=False)
        return
    write_text(out, text)
    typer.echo(f"wrote {out}")


def _print(table: Table) -> None:
    from mmrad.report.markup import shown

    console = Console()
    if not console.is_terminal:
        console = Console(width=240)
    columns = [(i, column) for i, column in enumerate(table.columns) if not column.hidden]
    grid = RichTable(title=escape(table.title), box=SIMPLE_HEAD, padding=0)
    sections = any(row.section for row in table.rows)
    if sections:
        grid.add_column("", overflow="fold")
    for _, column in columns:
        right = column.kind != "text"
        grid.add_column(escape(column.title), justify="right" if right else "left", overflow="fold")
    last = None
    for row in table.rows:
        cells = []
        for i, column in columns:
            text = escape(shown(column, row.cells[i]))
            if column.kind != "text":  # an interval stands under its value, so that a row fits
                text = text.replace(" (", "\n(").replace(" ± ", "\n± ")
            cells.append(f"[bold]{text}[/bold]" if row.cells[i].best else text)
        if row.published:
            cells[0] += " (published)"
        first = [escape(row.section) if row.section != last else ""] if sections else []
        grid.add_row(*first, *cells, style="dim" if row.published else None)
        last = row.section
    console.print(grid)
    for note in table.notes:
        typer.echo(note)
