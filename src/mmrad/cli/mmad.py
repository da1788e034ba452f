"""`mmrad mmad`."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
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
from mmrad.errors import UsageError

if TYPE_CHECKING:
    from mmrad.bench.mmad import Question, Row


def mmad(
    root: Annotated[Path, typer.Argument(help="Folder with mmad.json and the images.")],
    model: Annotated[str, typer.Option(help="A model of the catalogue, of --base-url or of --provider.")],
    out: Annotated[Path, typer.Option(help="Folder of the answers; a folder a model.")],
    dataset: Annotated[
        list[str] | None, typer.Option(help="Only this dataset, such as VisA; may be repeated.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only this many images, drawn with the seed.")
    ] = None,
    references: Annotated[
        int, typer.Option(min=0, help="Normal images beside each query: MMAD's setting is 1, or 0.")
    ] = 1,
    similar: Annotated[bool, typer.Option(help="The most similar normal images instead of any.")] = False,
    max_pixels: Annotated[int, typer.Option(help="Largest area of an image as sent.")] = 768 * 28 * 28,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Limit of an answer; the catalogue's, or 512.")
    ] = None,
    base_url: BaseUrlOption = None,
    provider: ProviderOption = None,
    own: ModelsOption = None,
    concurrency: ConcurrencyOption = 16,
    max_cost: Annotated[
        float | None, typer.Option(help="Dollars that the answers of the run may cost in all.")
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Ask MMAD's multiple-choice questions and score them by its metric; the same command goes on.

    Example:  mmrad mmad MMAD --model gpt-4o --out mmad-runs
    """
    from mmrad.bench.mmad import Asking, ask_mmad, read_questions
    from mmrad.catalogue import chat_model, find_model
    from mmrad.view import Budget

    known = find_model(model, own)
    told: dict[str, Any] = {
        "max_tokens": max_tokens or (known.max_tokens if known else None),
        "temperature": known.temperature if known else None,
    }
    asking = Asking(
        references=references,
        templates="similar" if similar else "random",
        budget=Budget(max_pixels=max_pixels),
        seed=seed,
        rejects=known.rejects if known else (),
        **{name: value for name, value in told.items() if value is not None},
    )
    questions = _chosen(root, read_questions(root, asking.templates), dataset, limit, seed)
    chat = chat_model(
        model,
        known,
        provider=provider,
        base_urls=[base_url] if base_url else [],
        concurrency=concurrency,
    )
    with progress(f"mmad {model}") as update:
        run = ask_mmad(root, questions, chat, out, asking=asking, max_cost=max_cost, progress=update)
    rows = run.rows()
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        _show(rows)


def _chosen(
    root: Path, questions: list[Question], datasets: list[str] | None, limit: int | None, seed: int
) -> list[Question]:
    """The questions that the options name."""
    known = dict.fromkeys(question.dataset for question in questions)
    if unknown := set(datasets or ()) - known.keys():
        raise UsageError(f"{root}: no dataset {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    chosen = [question for question in questions if question.dataset in (datasets or known)]
    images = list(dict.fromkeys(question.image for question in chosen))
    if limit is not None and limit < len(images):
        drawn = set(random.Random(seed).sample(images, limit))
        chosen = [question for question in chosen if question.image in drawn]
    return chosen


def _show(rows: list[Row]) -> None:
    average = rows[-1]
    table = Table(
        "dataset", "questions", *average.accuracy, "average", "overkill", "miss", "unanswered", box=None
    )
    for row in rows:
        figures = [*row.accuracy.values(), row.average, row.overkill, row.miss]
        unanswered = ", ".join(f"{count} {status}" for status, count in row.unanswered.items())
        table.add_row(row.name, str(row.questions), *map(_percent, figures), unanswered or "none")
    Console(width=max(Console().width, 40 + 22 * len(average.accuracy))).print(table)


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.1%}"
