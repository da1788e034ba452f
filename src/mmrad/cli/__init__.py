"""The command line: one module a command; heavy packages are imported inside the commands."""

from __future__ import annotations

import errno
import sys

import typer

from mmrad import __version__
from mmrad.cli import (
    accounts,
    audit,
    bench,
    build,
    demo,
    diff,
    doctor,
    export,
    factory,
    fuse,
    import_reviews,
    import_runs,
    import_texts,
    inspect,
    knowledge,
    log,
    mmad,
    models,
    negatives,
    probe,
    reference,
    report,
    review,
    score,
    segment,
    sources,
    stats,
    teach,
    train,
    verify,
    view,
)
from mmrad.errors import MmradError, UsageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a disk, a quota or a file that can take no more."""

_INTERRUPTED = 130

app = typer.Typer(
    name="mmrad",
    help="Industrial anomaly detection with multimodal large language models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("demo")(demo.demo)
app.command("inspect")(inspect.inspect)
app.command("sources")(sources.sources)
app.command("factory")(factory.factory)
app.command("build")(build.build)
app.command("stats")(stats.stats)
app.command("audit")(audit.audit)
app.command("review")(review.review)
app.command("view")(view.view)
app.command("import-reviews")(import_reviews.import_reviews)
app.add_typer(accounts.app, name="accounts")
app.command("reference")(reference.reference)
app.command("teach")(teach.teach)
app.command("verify")(verify.verify)
app.command("diff")(diff.diff)
app.command("knowledge")(knowledge.knowledge)
app.command("negatives")(negatives.negatives)
app.command("import")(import_texts.import_)
app.command("export")(export.export)
app.command("formats")(export.formats)
app.command("models")(models.models)
app.command("probe")(probe.probe)
app.command("bench")(bench.bench)
app.command("score")(score.score)
app.command("report")(report.report)
app.command("fuse")(fuse.fuse)
app.command("segment")(segment.segment)
app.command("mmad")(mmad.mmad)
app.command("import-runs")(import_runs.import_runs)
app.command("log")(log.log)
app.add_typer(train.app, name="train")
app.command("doctor")(doctor.doctor)


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
) -> None:
    if version:
        typer.echo(f"mmrad {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line: exit 0 done, 1 failed, 2 wrong usage, 130 interrupted with what was done kept."""
    try:
        app()
    except MmradError as error:
        if "--debug" in sys.argv:
            raise
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except OSError as error:
        if error.errno not in _FULL or "--debug" in sys.argv:
            raise
        advice = "what was done is kept: make room and run the same command again"
        typer.secho(f"error: the disk is full ({error}); {advice}", fg="red", err=True)
        sys.exit(1)
    except SystemExit as end:
        if end.code == _INTERRUPTED:  # Typer has caught Ctrl-C, and says nothing
            typer.secho("interrupted; what was done is kept: run the same command again to go on", err=True)
        raise
