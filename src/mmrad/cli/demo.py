"""`mmrad demo`."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Annotated

import typer

from mmrad.cli.progress import counted, progress


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("demo"),
    queries: Annotated[int, typer.Option(help="How many test images to inspect.")] = 160,
) -> None:
    """Run the whole loop on made-up products: no key, no GPU, no download. Ends with report.html.

    Example:  mmrad demo --out demo
    """
    from mmrad.bench import bench
    from mmrad.cli.bench import describe
    from mmrad.corpus import Corpus
    from mmrad.factory import factory_roots, make_factory
    from mmrad.inspectors.base import InspectionSettings
    from mmrad.inspectors.make import BUNDLED, make_inspector
    from mmrad.reference import retrieve
    from mmrad.report import write_report
    from mmrad.sources import build_corpus
    from mmrad.teach import ScriptedTeacher, Teaching, teach, verify_corpus

    if not (out / "corpus" / "references.parquet").exists():
        _say("1/7 factory: products and defects in the raw layouts of four real datasets")
        with progress("factory") as update:
            make_factory(out / "factory", seed=2026, train=12, good=6, per_anomaly=2, progress=update)
        _say("2/7 build: raw datasets into a corpus")
        with progress("build") as update:
            built = build_corpus(factory_roots(out / "factory"), out / "corpus", progress=update)
        _say("3/7 reference: a spatially aligned normal image for each sample")
        with progress("reference") as update:
            retrieve(built.corpus, progress=update)
    corpus = Corpus(out / "corpus")
    _say("4/7 teach: think-then-answer texts")
    with progress("teach") as update:
        teach(corpus, [ScriptedTeacher()], teaching=Teaching(progress=counted(update)))
    _say("5/7 verify: " + verify_corpus(corpus, ScriptedTeacher.name).summary())
    samples = corpus.select(splits=["test"])
    samples = sorted(random.Random(0).sample(samples, min(queries, len(samples))), key=lambda s: s.id)
    runs = []
    for model in BUNDLED:
        _say(f"6/7 bench: {model} on {len(samples)} queries")
        inspector = make_inspector(model, InspectionSettings())
        with progress("bench") as update:
            runs.append(bench(corpus, samples, inspector, out / "runs", progress=counted(update)))
        _say(describe(runs[-1]))
    _say("7/7 report")
    typer.secho(f"open {write_report(runs, out / 'report.html')}", bold=True)


def _say(text: str) -> None:
    typer.echo(text)
