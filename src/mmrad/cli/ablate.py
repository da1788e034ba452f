"""`mmrad train ablate`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mmrad.cli.options import JsonOption
from mmrad.cli.progress import counted, progress
from mmrad.errors import MissingExtraError

if TYPE_CHECKING:
    from mmrad.corpus import Corpus
    from mmrad.inspectors.base import InspectionSettings
    from mmrad.sample import Sample, Verdict
    from mmrad.train.ablation.ablate import Judge
    from mmrad.train.ablation.rows import Planned


def ablate(
    recipe: Annotated[Path, typer.Argument(help="Recipe, such as recipes/table5-nano.toml.")],
    out: Annotated[Path, typer.Option(help="Folder for data, trainings, verdicts and the table.")],
    rows: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this row of Table 5; may be repeated: no-reasoning, no-reference, no-cold-start, "
            "no-rl, no-contrast, full, knowledge."
        ),
    ] = None,
    seeds: Annotated[
        list[int] | None,
        typer.Option(min=0, help="Only this seed; may be repeated; by default the recipe's."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would be trained and what is done, and train nothing."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Train and judge the rows of the paper's Table 5; the same command again goes on where it stopped.

    Rows with the same cold start share it. The table lies in OUT/table.md after each row.

    Example:  mmrad train ablate recipes/table5-nano.toml --out ablations
    """
    from mmrad.train.ablation.rows import load_ablation, plan, rows_named

    loaded, chosen = load_ablation(recipe), rows_named(rows)
    if dry_run:
        _show(plan(loaded, out, chosen, seeds or loaded.seeds), out, as_json=as_json)
        return
    try:
        from mmrad.train.ablation.ablate import ablate as run
    except ImportError as error:
        raise MissingExtraError(error.name or "transformers", "train") from error
    judge = _judge_with(loaded.judging.batch_size)
    table = run(loaded, out, judge, rows=chosen, seeds=seeds, show=progress)
    typer.echo(json.dumps(table.to_dict(), indent=2) if as_json else table.to_markdown())


def _judge_with(batch_size: int) -> Judge:
    """Judges by `mmrad bench`: runs resume, and can be scored and reported like any others."""
    from mmrad.bench import bench
    from mmrad.inspectors.make import make_inspector

    def judge(
        model: Path,
        settings: InspectionSettings,
        corpus: Corpus,
        samples: Sequence[Sample],
        out: Path,
        *,
        name: str,
        references: int,
    ) -> Mapping[str, Verdict]:
        inspector = make_inspector(str(model), settings, name=name, batch_size=batch_size)
        with progress(f"{name}, queries") as update:
            run = bench(corpus, samples, inspector, out, references=references, progress=counted(update))
        return run.verdicts

    return judge


def _show(planned: Sequence[Planned], out: Path, *, as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        plain = [asdict(one) | {"folder": str(one.folder)} for one in planned]
        typer.echo(json.dumps(plain, indent=2))
        return
    table = Table(box=SIMPLE_HEAD, title=f"nothing was trained; folders in {out}")
    for heading in ("work", "folder", "how much", "for rows", "state"):
        table.add_column(heading, overflow="fold")
    for one in planned:
        state = "done" if one.done else "to do"
        table.add_row(one.work, str(one.folder.relative_to(out)), one.amount, ", ".join(one.rows), state)
    Console().print(table)
    left = {
        work: sum(one.work == work and not one.done for one in planned) for work in ("sft", "grpo", "judging")
    }
    typer.echo("to do: " + ", ".join(f"{count} x {work}" for work, count in left.items()))
