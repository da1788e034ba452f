"""`mmrad negatives`."""

from __future__ import annotations

from typing import Annotated

import typer

from mmrad.cli.options import (
    BaseUrlOption,
    ConcurrencyOption,
    CorpusArgument,
    PromptsOption,
    SeedOption,
    SourceOption,
)
from mmrad.cli.progress import progress


def negatives(
    corpus: CorpusArgument,
    origin: Annotated[
        str, typer.Option(help="Who writes: `scripted` needs no model; else a model of --base-url.")
    ] = "scripted",
    base_url: BaseUrlOption = None,
    source: SourceOption = None,
    per_sample: Annotated[int, typer.Option(min=1, help="Texts a sample.")] = 2,
    temperature: Annotated[float, typer.Option(help="Of a model.")] = 1.0,
    concurrency: ConcurrencyOption = 16,
    max_pixels: Annotated[int, typer.Option(help="Largest area of an image as sent.")] = 768 * 28 * 28,
    prompts: PromptsOption = "default",
    seed: SeedOption = 0,
) -> None:
    """Write texts that are wrong, for contrastive sampling; a model is told the opposite of the truth.

    Example:  mmrad negatives corpus --per-sample 2
    """
    from mmrad.corpus import Corpus
    from mmrad.endpoint import Endpoint
    from mmrad.prompt import load_prompts
    from mmrad.teach import MLLMTeacher, write_opposite_negatives, write_scripted_negatives
    from mmrad.teach.texts import SCRIPTED
    from mmrad.view import Budget

    opened = Corpus(corpus)
    samples = opened.select(sources=source)
    budget = Budget(max_pixels=max_pixels)
    with progress("negatives") as update:
        if origin == SCRIPTED:
            summary = write_scripted_negatives(
                opened, budget=budget, per_sample=per_sample, seed=seed, samples=samples, progress=update
            )
        else:
            teacher = MLLMTeacher(
                Endpoint(origin, base_url, concurrency=concurrency),
                load_prompts(prompts),
                temperature=temperature,
                seed=seed,
            )
            summary = write_opposite_negatives(
                opened, teacher, budget=budget, per_sample=per_sample, samples=samples, progress=update
            )
    typer.echo(summary.describe())
