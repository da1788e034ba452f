"""`mmrad teach`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from mmrad.cli.options import (
    BaseUrlOption,
    ConcurrencyOption,
    CorpusArgument,
    JsonOption,
    PromptsOption,
    ProviderOption,
    SeedOption,
    SourceOption,
)
from mmrad.cli.panel import LivePanel, State
from mmrad.errors import UsageError

if TYPE_CHECKING:
    from mmrad.corpus import Corpus
    from mmrad.sample import Sample
    from mmrad.teach import Plan, Tally
    from mmrad.teach.recipe import TeachRecipe


def teach(
    corpus: CorpusArgument,
    teacher: Annotated[
        str, typer.Option(help="Who writes: `scripted` needs no model; else a model of --base-url.")
    ] = "scripted",
    base_url: BaseUrlOption = None,
    provider: ProviderOption = None,
    recipe: Annotated[
        Path | None, typer.Option(help="TOML file with a chain of teachers, thresholds and views.")
    ] = None,
    source: SourceOption = None,
    category: Annotated[list[str] | None, typer.Option(help="Only this category; may be repeated.")] = None,
    failed: Annotated[bool, typer.Option(help="Only samples without a verified text by anybody.")] = False,
    by: Annotated[str | None, typer.Option(help="Only samples whose text is by this teacher.")] = None,
    version: Annotated[
        str, typer.Option(help="A name; with another one texts are written anew beside the old ones.")
    ] = "",
    tries: Annotated[int, typer.Option(min=1, help="Texts a sample until one passes.")] = 3,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 is greedy.")] = 0.0,
    concurrency: ConcurrencyOption = 16,
    price: Annotated[
        str | None, typer.Option(help="Dollars per million input and output tokens, such as 0.8,3.2.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="Dollars that these teachers' texts may cost in all.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Show requests, tokens and money, and ask nobody.")] = False,
    max_pixels: Annotated[int, typer.Option(help="Largest area of an image as sent.")] = 768 * 28 * 28,
    prompts: PromptsOption = "default",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Have teachers write a verified think-then-answer text for every sample; the same command goes on.

    Example:  mmrad teach corpus --teacher qwen2.5-vl-72b-instruct --base-url http://localhost:8000/v1
    """
    from mmrad.corpus import Corpus
    from mmrad.teach import plan
    from mmrad.teach import teach as run_teaching
    from mmrad.teach.recipe import TeachRecipe, load_teach_recipe

    if recipe is None:
        table: dict[str, Any] = {
            "model": teacher,
            "provider": provider or "openai",
            "base_url": base_url,
            "version": version,
            "tries": tries,
            "temperature": temperature,
            "concurrency": concurrency,
            "price": _price(price),
            "seed": seed,
        }
        resolved = TeachRecipe.model_validate(
            {"teachers": [table], "prompts": prompts, "max_pixels": max_pixels, "seed": seed}
        )
    else:
        resolved = load_teach_recipe(recipe)
    opened = Corpus(corpus)
    samples = _slice(opened, source, category, failed=failed, by=by)
    teachers = resolved.make_teachers()
    if dry_run:
        plans = plan(opened, teachers, samples, resolved.teaching())
        _show(plans, as_json=as_json)
        return
    with LivePanel("teach") as panel:
        teaching = resolved.teaching(max_cost=max_cost, progress=lambda tally: panel.show(state_of(tally)))
        tallies = run_teaching(opened, teachers, samples, teaching)
    _keep_settings(opened, resolved)
    if as_json:
        typer.echo(json.dumps([tally.as_dict() for tally in tallies], indent=2))
    else:
        typer.echo("\n".join(tally.describe() for tally in tallies))


def state_of(tally: Tally) -> State:
    """A course as the live panel shows it."""
    failed = [
        (name, count, f"{count / max(1, tally.answers):.1%}")
        for name, count in tally.failed_checks.most_common()
    ]
    no_text = [(f"no text: {status}", count, "") for status, count in tally.failures.most_common()]
    verified = {"verified": str(tally.verified)}
    return State(tally.teacher, tally.done, tally.total, tally.dollars, verified, [*failed, *no_text])


def _price(text: str | None) -> dict[str, float] | None:
    if text is None:
        return None
    try:
        first, second = (float(part) for part in text.split(","))
    except ValueError:
        first = second = -1.0
    if not (first >= 0 and second >= 0):
        raise UsageError(f"--price {text!r}: expected two numbers, such as 0.8,3.2")
    return {"input": first, "output": second}


def _slice(
    corpus: Corpus, sources: list[str] | None, categories: list[str] | None, *, failed: bool, by: str | None
) -> list[Sample]:
    """The samples that the options name."""
    from mmrad.teach import chosen_texts

    samples = corpus.select(sources=sources, categories=categories)
    if not (failed or by):
        return samples
    texts = chosen_texts(corpus)
    if failed:
        samples = [sample for sample in samples if sample.id not in texts]
    if by:
        samples = [sample for sample in samples if sample.id in texts and texts[sample.id].teacher == by]
    return samples


def _show(plans: list[Plan], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([asdict(plan) for plan in plans], indent=2))
        return
    table = Table("teacher", "samples", "requests", "tokens a request", "dollars", title="nothing was asked")
    for plan in plans:
        low, high = plan.dollars or (0.0, 0.0)
        table.add_row(
            plan.teacher,
            f"{plan.samples:,}",
            f"{plan.least:,} to {plan.most:,}",
            f"{plan.usage.input_tokens:,} in, {plan.usage.output_tokens:,} out",
            f"{low:,.2f} to {high:,.2f}" if plan.dollars else "unknown (no price)",
        )
    Console().print(table)


def _keep_settings(corpus: Corpus, recipe: TeachRecipe) -> None:
    """Write what each teacher was and how it was asked beside its texts; no key is among it."""
    from mmrad.files import write_text
    from mmrad.teach.texts import text_path

    for teacher in recipe.make_teachers():
        settings = {
            "teacher": teacher.name,
            **teacher.key(),
            "tries": teacher.tries,
            "best_of": teacher.best_of,
            "max_pixels": recipe.max_pixels,
            "verification": asdict(recipe.verification),
        }
        write_text(
            text_path(corpus, teacher.name).with_suffix(".json"), json.dumps(settings, indent=2) + "\n"
        )
