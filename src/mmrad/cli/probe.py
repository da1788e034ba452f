"""`mmrad probe`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mmrad.cli.options import (
    BaseUrlOption,
    ConcurrencyOption,
    JsonOption,
    ModelsOption,
    ProviderOption,
    SeedOption,
)
from mmrad.cli.progress import progress
from mmrad.coordinates import CoordinateSpace

if TYPE_CHECKING:
    from mmrad.catalogue import Model
    from mmrad.endpoint.model import ChatModel
    from mmrad.inspectors.base import InspectionSettings
    from mmrad.inspectors.probe import Attempt, Finding


UNKNOWN_MAX_TOKENS = 2048
"""Limit of an answer of a model that the catalogue does not know."""


def probe(
    model: Annotated[str, typer.Argument(help="A model of the catalogue, of --base-url or of --provider.")],
    space: Annotated[
        CoordinateSpace | None,
        typer.Option(help="Convention to ask in; the catalogue's by default, `view` for unknown models."),
    ] = None,
    base_url: BaseUrlOption = None,
    provider: ProviderOption = None,
    own: ModelsOption = None,
    reasoning: Annotated[bool, typer.Option(help="Whether to ask for reasoning before the answer.")] = True,
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures with what was answered.")] = None,
    concurrency: ConcurrencyOption = 4,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Find out in which convention a model really writes boxes, with 12 made pictures; costs cents.

    Exit code 1 when nothing is settled.

    Example:  mmrad probe qwen3-vl-8b-instruct --base-url http://localhost:8000/v1
    """
    from mmrad.catalogue import chat_model, find_model
    from mmrad.inspectors.probe import SIZES_WH, ask, expected_usage, settle

    known = find_model(model, own)
    chat = chat_model(
        model,
        known,
        provider=provider,
        base_urls=[base_url] if base_url else [],
        concurrency=concurrency,
    )
    settings = _settings(known, space, reasoning=reasoning, seed=seed)
    if chat.price and (cost := chat.price.cost(expected_usage(settings, seed))) is not None:
        typer.echo(f"about ${cost:.3f} for {len(SIZES_WH)} pictures", err=True)
    found: dict[int, Attempt] = {}
    with progress(f"probe {model}") as update:
        for index, attempt in ask(chat, settings, rejects=known.rejects if known else (), seed=seed):
            found[index] = attempt
            update(len(found), len(SIZES_WH))
    finding = settle([found[index] for index in sorted(found)])
    record = _record(model, known, settings, chat, finding)
    if out:
        _save(out, finding, record)
    if as_json:
        typer.echo(json.dumps(record, indent=2, ensure_ascii=False))
    else:
        _tell(record)
    if warning := record["warning"]:
        typer.secho(warning, fg="yellow", err=True)
    if finding.settled is None:
        raise typer.Exit(1)


def _settings(
    known: Model | None, space: CoordinateSpace | None, *, reasoning: bool, seed: int
) -> InspectionSettings:
    """How to ask: as a real inspection does, greedily unless the catalogue says otherwise."""
    from mmrad.inspectors.base import InspectionSettings
    from mmrad.view import Budget

    asked_in = space or (known.space if known else CoordinateSpace.VIEW)
    max_pixels = (known.max_pixels if known else None) or Budget().max_pixels
    return InspectionSettings(
        budget=Budget(max_pixels=max_pixels),
        reasoning=reasoning,
        max_tokens=known.max_tokens if known else UNKNOWN_MAX_TOKENS,
        temperature=(known.temperature if known else None) or 0.0,
        seed=seed,
        space=asked_in,
    )


def _record(
    name: str, known: Model | None, settings: InspectionSettings, chat: ChatModel, finding: Finding
) -> dict[str, Any]:
    """The finding as JSON values."""
    costs = [chat.price.cost(one.usage) if chat.price else None for one in finding.attempts]
    declared = known.space if known else None
    return {
        "model": name,
        "asked_in": settings.space.value,
        "catalogue": declared.value if declared else None,
        "settled": finding.settled.value if finding.settled else None,
        "verdict": finding.verdict,
        "warning": _warning(name, declared, finding.settled),
        "answered": finding.answered,
        "statuses": finding.statuses,
        "iou": {reading: round(iou, 4) for reading, iou in finding.iou.items()},
        "margin": None if finding.margin is None else round(finding.margin, 4),
        "dollars": None if None in costs else round(sum(cost or 0.0 for cost in costs), 6),
        "attempts": [_attempt(attempt) for attempt in finding.attempts],
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "original_wh": attempt.view.original_wh,
        "view_wh": attempt.view.size_wh,
        "truth_xyxy": attempt.target.box.xyxy,
        "status": attempt.status,
        "detail": attempt.detail,
        "written": attempt.box.xyxy if attempt.box else None,
        "text": attempt.text,
    }


def _warning(name: str, declared: CoordinateSpace | None, settled: CoordinateSpace | None) -> str | None:
    if settled is None or settled is declared:
        return None
    said = f"the catalogue says {declared.value}" if declared else "the catalogue does not know it"
    return (
        f'caution: {name} writes {settled.value}, but {said}; put  space = "{settled.value}"  under  '
        f'["{name}"]  in a file of your own for --models'
    )


def _tell(record: dict[str, Any]) -> None:
    table = Table("read as", "mean IoU", "", box=SIMPLE_HEAD, padding=(0, 1))
    for reading, iou in record["iou"].items():
        notes = {"asked for": record["asked_in"], "in the catalogue": record["catalogue"]}
        table.add_row(
            reading, f"{iou:.2f}", ", ".join(note for note, space in notes.items() if space == reading)
        )
    if table.row_count:
        Console().print(table)
    ended = ", ".join(f"{count} {status}" for status, count in record["statuses"].items())
    cost = "unknown (no price)" if record["dollars"] is None else f"${record['dollars']:.4f}"
    typer.echo(f"{len(record['attempts'])} pictures: {ended}; asked in {record['asked_in']}; cost {cost}")
    typer.secho(record["verdict"], bold=True)


def _save(out: Path, finding: Finding, record: dict[str, Any]) -> None:
    """The pictures with the answered boxes as the best reading has them, and the record."""
    from mmrad.files import atomic_path, write_text
    from mmrad.image import encode_png
    from mmrad.picture import mark

    reading = next(iter(finding.iou), None)
    for number, attempt in enumerate(finding.attempts, 1):
        width, height = attempt.view.original_wh
        read = attempt.read_as(reading) if reading else None
        box = read.clipped((width, height)) if read else None
        with atomic_path(out / f"{number:02d}-{width}x{height}.png") as path:
            path.write_bytes(encode_png(mark(attempt.target.image, [box] if box else [])))
    write_text(out / "probe.json", json.dumps(record, indent=2, ensure_ascii=False) + "\n")
