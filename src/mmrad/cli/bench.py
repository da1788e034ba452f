"""`mmrad bench`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mmrad.cli.options import CorpusArgument, JsonOption, ModelHelp
from mmrad.cli.panel import LivePanel, State
from mmrad.coordinates import CoordinateSpace
from mmrad.errors import ProviderError, UsageError

if TYPE_CHECKING:
    from mmrad.bench import Progress, Run
    from mmrad.bench.protocol import Benchmark, Intent, Outcome
    from mmrad.bench.recipe import BenchRecipe
    from mmrad.metrics import Figure


class Provider(Enum):
    """Values of `--provider`."""

    INSPECT = "inspect"
    VLLM = "vllm"


class Hints(Enum):
    """Values of `--hints`."""

    TEXT = "text"
    CROPS = "crops"


class Score(Enum):
    """Values of `--score`."""

    AUTO = "auto"
    PROBABILITY = "probability"
    CONFIDENCE = "confidence"
    NONE = "none"


def bench(
    corpus: CorpusArgument,
    out: Annotated[Path, typer.Option(help="Folder of the runs.")],
    model: Annotated[list[str] | None, typer.Option(help=ModelHelp + " May be repeated.")] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(help="TOML file with models and how they are asked; options given here win over it."),
    ] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only this source; may be repeated.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="Only this split; by default `test`.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only this many samples, drawn with the seed.")] = None,
    references: Annotated[
        int | None, typer.Option(help="Reference images beside each query; by default 1, 0 for none.")
    ] = None,
    reasoning: Annotated[
        bool | None,
        typer.Option("--reasoning/--no-reasoning", help="Whether to ask for reasoning before the answer."),
    ] = None,
    knowledge: Annotated[
        bool | None,
        typer.Option(
            "--knowledge/--no-knowledge", help="Tell the anomalies known of each category (mmrad knowledge)."
        ),
    ] = None,
    score: Annotated[
        Score | None,
        typer.Option(
            help="What AUROC is made of: the probability of Yes where the model gives it (`auto`), a "
            "confidence in words, or nothing."
        ),
    ] = None,
    repeats: Annotated[int | None, typer.Option(help="How often all is asked, with seeds one apart.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="0 is greedy; the paper samples at 1.5 with min-p 0.1.")
    ] = None,
    min_p: Annotated[
        float | None, typer.Option(help="Smallest probability relative to the likeliest token.")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Limit of an answer.")] = None,
    max_pixels: Annotated[
        int | None, typer.Option(help="Largest area of an image as sent; a model trained here keeps its own.")
    ] = None,
    space: Annotated[
        CoordinateSpace | None, typer.Option(help="Convention of the model's boxes; see `mmrad probe`.")
    ] = None,
    prompts: Annotated[
        str | None, typer.Option(help="Built-in prompts by name, or a TOML file of your own.")
    ] = None,
    base_url: Annotated[
        list[str] | None,
        typer.Option(help="OpenAI-compatible endpoint; several share the requests. Key: OPENAI_API_KEY."),
    ] = None,
    provider: Annotated[
        Provider | None, typer.Option(help="inspect-ai's providers, or vLLM in this process.")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="TOML file with your own entries of the catalogue.")
    ] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Requests at once to an endpoint.")] = None,
    requests_per_minute: Annotated[
        float | None, typer.Option(help="Most requests a minute to an endpoint.")
    ] = None,
    tokens_per_minute: Annotated[
        float | None, typer.Option(help="Most tokens a minute, read and written.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Queries at once for a local model.")] = None,
    batch: Annotated[
        bool | None, typer.Option("--batch", help="Use the provider's batch API: slower, often half price.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="File of answers known before, and where new ones are kept.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="US dollars that these runs may cost in all, earlier calls included.")
    ] = None,
    expert: Annotated[
        Path | None,
        typer.Option(help="Folder of an expert's run on the same queries: the models are given its hints."),
    ] = None,
    hints: Annotated[
        Hints | None, typer.Option(help="How they are told: in words, or with enlarged views as well.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show requests, tokens and money, and ask nobody.")
    ] = False,
    alpha: Annotated[
        float | None, typer.Option(help="Share of normal images that an expert's honest threshold may flag.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all random choices.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask models and expert detectors for verdicts on a corpus; the same command again goes on.

    A detector (padim, patchcore, hgad, dinomaly, inp-former) is first trained on the corpus's normal images,
    and gives two runs: under a threshold from held-out normal images, and under the paper's (`-oracle`).

    Example:  mmrad bench corpus --model anomaly-r1-nano --model patchcore --out runs
    """
    from mmrad.bench.protocol import Benchmark, Means
    from mmrad.corpus import Corpus

    asked = _recipe(model, recipe).with_options(
        sources=source,
        splits=split,
        limit=limit,
        references=references,
        reasoning=reasoning,
        knowledge=knowledge,
        score=score and score.value,
        repeats=repeats,
        temperature=temperature,
        min_p=min_p,
        max_tokens=max_tokens,
        max_pixels=max_pixels,
        space=space,
        prompts=prompts,
        base_urls=base_url,
        provider=provider and provider.value,
        concurrency=concurrency,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        batch_size=batch_size,
        batch=batch,
        alpha=alpha,
        seed=seed,
        expert=expert,
        hints=hints and hints.value,
    )
    _warn_of_retirements(asked, models)
    benchmark = Benchmark(Corpus(corpus), asked, out, Means(models, cache, max_cost))
    if dry_run:
        _show(list(benchmark.plan()), as_json=as_json)
    else:
        _run(benchmark, as_json=as_json)


def _recipe(models: list[str] | None, recipe: Path | None) -> BenchRecipe:
    from mmrad.bench.recipe import BenchRecipe, load_bench_recipe

    if bool(models) == bool(recipe):
        raise UsageError("give --model, once or more, or --recipe, and not both")
    if recipe:
        return load_bench_recipe(recipe)
    return BenchRecipe.of_models(models or ())


def _warn_of_retirements(recipe: BenchRecipe, models: Path | None) -> None:
    from mmrad.catalogue import find_model

    today = datetime.now(UTC).date()
    for name in dict.fromkeys(entry.model for entry in recipe.runs):
        known = find_model(name, models)
        if known and (warning := known.retired(today)):
            typer.secho(f"caution: {warning}", fg="yellow", err=True)


def _run(benchmark: Benchmark, *, as_json: bool) -> None:
    outcomes = []
    with LivePanel("bench") as panel:
        for outcome in benchmark.run(lambda progress: panel.show(state_of(progress))):
            outcomes.append(outcome)
            said = describe(outcome.run) if outcome.run else "nothing asked"
            if not as_json:
                typer.echo(f"{outcome.name}: {said}")
            if outcome.problem:
                typer.secho(f"{outcome.name}: {outcome.problem}", fg="red", err=True)
    if benchmark.cache:
        typer.echo(benchmark.cache.describe(), err=True)
    if as_json:
        typer.echo(json.dumps([_record(outcome) for outcome in outcomes], indent=2))
    troubled = [outcome.name for outcome in outcomes if outcome.problem]
    if troubled:
        raise ProviderError(
            f"not complete: {', '.join(troubled)} (see above); all answers are kept, the same command goes on"
        )


def state_of(progress: Progress) -> State:
    """A run as the live panel shows it."""
    reasons = [
        (f"no judgement: {status}", count, f"{count / max(1, progress.done):.1%}")
        for status, count in progress.unanswered.most_common()
    ]
    unanswered = {"no judgement": str(progress.unanswered.total())}
    return State(progress.run, progress.done, progress.total, progress.dollars, unanswered, reasons)


def _record(outcome: Outcome) -> dict[str, Any]:
    run = outcome.run
    overall = run.scores().to_dict()["overall"] if run else None
    folder = str(run.path) if run else None
    return {"name": outcome.name, "run": folder, "problem": outcome.problem, "overall": overall}


def _show(intents: list[Intent], *, as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        typer.echo(json.dumps([asdict(intent) for intent in intents], indent=2))
        return
    table = Table(box=SIMPLE_HEAD, title="nothing was asked")
    table.add_column("run", no_wrap=True)
    for heading in ("queries", "to ask", "tokens in", "tokens out", "dollars"):
        table.add_column(heading, justify="right")
    for intent in intents:
        plan = intent.plan
        money = "unknown"
        if plan.dollars is not None and plan.most_dollars is not None:
            money = f"{plan.dollars:,.2f} to {plan.most_dollars:,.2f}"
        table.add_row(
            intent.name,
            f"{intent.samples:,}",
            f"{plan.requests:,}",
            f"{plan.usage.input_tokens:,}",
            f"{plan.usage.output_tokens:,}",
            "cannot be asked" if intent.problem else money,
        )
    Console().print(table)
    for intent in intents:
        if intent.problem:
            typer.secho(f"{intent.name}: {intent.problem}", fg="red", err=True)


def describe(run: Run) -> str:
    """One line with the overall figures of a run, and how many queries have no readable answer."""
    overall = run.scores().overall
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
