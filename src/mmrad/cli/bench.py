"""`mmrad bench`."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmrad.cli.options import (
    BaseUrlOption,
    ConcurrencyOption,
    CorpusArgument,
    ModelHelp,
    PromptsOption,
    SeedOption,
    SourceOption,
)
from mmrad.cli.progress import counted, progress

if TYPE_CHECKING:
    from mmrad.bench import Run
    from mmrad.metrics.scores import Figure


def bench(
    corpus: CorpusArgument,
    model: Annotated[list[str], typer.Option(help=ModelHelp + " May be repeated.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs.")],
    source: SourceOption = None,
    split: Annotated[
        list[str] | None, typer.Option(help="Only this split; `test` when none is given.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only this many samples, drawn with the seed.")] = None,
    references: Annotated[int, typer.Option(help="Reference images beside each query; 0 for none.")] = 1,
    reasoning: Annotated[bool, typer.Option(help="Whether to ask for reasoning before the answer.")] = True,
    knowledge: Annotated[
        bool, typer.Option(help="Tell the anomalies known of each category, see `mmrad knowledge`.")
    ] = False,
    temperature: Annotated[
        float, typer.Option(help="0 is greedy; the paper samples at 1.5 with min-p 0.1.")
    ] = 0.0,
    min_p: Annotated[float, typer.Option(help="Smallest probability relative to the likeliest token.")] = 0.0,
    max_pixels: Annotated[
        int, typer.Option(help="Largest area of an image as sent; a model trained here keeps its own.")
    ] = 768 * 28 * 28,
    prompts: PromptsOption = "default",
    base_url: BaseUrlOption = None,
    concurrency: ConcurrencyOption = 16,
    batch_size: Annotated[int, typer.Option(min=1, help="Queries at once for a local model.")] = 16,
    seed: SeedOption = 0,
) -> None:
    """Ask models for verdicts on a corpus; the same command again goes on where it stopped.

    Example:  mmrad bench corpus --model anomaly-r1-nano --out runs
    """
    from mmrad.bench import bench as run_bench
    from mmrad.corpus import Corpus
    from mmrad.inspectors.base import InspectionSettings
    from mmrad.inspectors.make import make_inspector
    from mmrad.prompt import load_prompts
    from mmrad.teach import read_knowledge
    from mmrad.view import Budget

    opened = Corpus(corpus)
    samples = opened.select(sources=source, splits=split or ["test"])
    if limit is not None:
        samples = sorted(random.Random(seed).sample(samples, min(limit, len(samples))), key=lambda s: s.id)
    settings = InspectionSettings(
        prompts=load_prompts(prompts),
        budget=Budget(max_pixels=max_pixels),
        reasoning=reasoning,
        domain_knowledge=read_knowledge(opened) if knowledge else {},
        temperature=temperature,
        min_p=min_p,
        seed=seed,
    )
    for name in model:
        inspector = make_inspector(
            name, settings, base_url=base_url, batch_size=batch_size, concurrency=concurrency
        )
        with progress(f"bench {inspector.name}") as update:
            run = run_bench(
                opened,
                samples,
                inspector,
                out,
                references=references,
                progress=counted(update),
            )
        typer.echo(f"{inspector.name}: {describe(run)}")


def describe(run: Run) -> str:
    """One line with the overall figures of a run, and how many queries have no readable answer."""
    from mmrad.metrics import score

    overall = score(run.samples, run.verdicts).overall
    named = {"detection accuracy": "accuracy", "localization accuracy (IoU 0.1)": "iou0.1_accuracy"}
    figures = [f"{title} {_percent(overall.figures[name])}" for title, name in named.items()]
    return ", ".join([*figures, f"unanswered {sum(overall.unanswered.values())} of {overall.samples}"])


def _percent(figure: Figure) -> str:
    if figure.value is None:
        return "undefined"
    interval = (
        "" if figure.low is None or figure.high is None else f" ({figure.low:.1%} to {figure.high:.1%})"
    )
    return f"{figure.value:.1%}{interval}"
