"""`mmrad segment`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmrad.cli.options import JsonOption
from mmrad.cli.progress import progress
from mmrad.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from mmrad.bench.segment import Segmentation, Segmenter
    from mmrad.metrics.pixels import PixelGroup

_TITLES = {
    "iou": "IoU", "precision": "precision", "recall": "recall", "f1": "F1",
    "pixel_auroc": "pixel AUROC", "aupro": "AUPRO (FPR 0.3)",
}  # fmt: skip


def segment(
    run: Annotated[Path, typer.Argument(help="Folder of one run.")],
    sam: Annotated[
        str | None,
        typer.Option(help="Folder, or name on the Hugging Face hub, of a SAM, SAM-HQ or SAM 2 model."),
    ] = None,
    boxes_only: Annotated[
        bool, typer.Option("--boxes-only", help="Without a model: the filled boxes are the masks.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the masks; RUN/masks by default.")] = None,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Also write pictures: masks red, true masks outlined green.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="torch device; the GPU when there is one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Turn the boxes of a run into masks, and measure them by pixel against the true masks.

    The same command again makes only what is missing. Filled boxes are measured too, to show the gain.

    Example:  mmrad segment runs/gpt-4o --sam facebook/sam2.1-hiera-small --pictures
    """
    from mmrad.bench import Run
    from mmrad.bench.segment import segment_run

    if (sam is None) != boxes_only:
        raise UsageError("say either --sam MODEL or --boxes-only")
    opened = Run.load(run)
    with progress("segment") as update:
        found = segment_run(opened, _segmenter(sam, device), out=out, pictures=pictures, progress=update)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
    else:
        _print(found)


def _segmenter(sam: str | None, device: str | None) -> Segmenter:
    from mmrad.bench.segment import FilledBoxes

    if sam is None:
        return FilledBoxes()
    try:
        from mmrad.inspectors.sam import Sam
    except ImportError as error:
        raise MissingExtraError(error.name or "transformers", "local") from error
    return Sam(sam, device=device)


def _print(found: Segmentation) -> None:
    from mmrad.bench.segment import BOXES

    typer.echo(f"{found.folder}: {found.written + found.kept} masks, {found.written} of them new")
    if found.placeless:
        typer.echo(f"{found.placeless} samples are called anomalous without a box: nothing of them is marked")
    if found.unanswered:
        told = ", ".join(f"{count} {status}" for status, count in found.unanswered.items())
        typer.echo(f"no answer: {told}; their anomalous pixels count as missed")
    if found.left_out:
        typer.echo(f"{found.left_out} samples are not measured: there is no true mask, and a box is none")
    if found.scores is None or found.boxes is None:
        return
    named = {found.segmenter: found.scores, BOXES: found.boxes}
    _print_figures("mean over categories", {name: scores.overall for name, scores in named.items()})
    if len(found.scores.sources) > 1:
        for number, source in enumerate(found.scores.sources):
            rows = {name: scores.sources[number] for name, scores in named.items()}
            _print_figures(str(source.source), rows)


def _print_figures(title: str, groups: dict[str, PixelGroup]) -> None:
    """A column for each way to make masks, a line for each figure."""
    samples = max(group.samples for group in groups.values())
    table = Table("", *map(escape, groups), title=f"{escape(title)}, {samples:,} images")
    for name, shown in _TITLES.items():
        table.add_row(shown, *(str(group.figures[name]) for group in groups.values()))
    Console().print(table)
