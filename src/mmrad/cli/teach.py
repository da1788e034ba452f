"""`mmrad teach` and `mmrad verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from mmrad.cli.options import CorpusArgument, SeedOption
from mmrad.cli.progress import progress
from mmrad.errors import UsageError

TeacherOption = Annotated[str, typer.Option(help="Who writes; `scripted` needs no model.")]


def teach(corpus: CorpusArgument, teacher: TeacherOption = "scripted", seed: SeedOption = 0) -> None:
    """Have a teacher write a think-then-answer text for every sample, verified as in the paper's Appendix C.

    Example:  mmrad teach corpus --teacher scripted
    """
    from mmrad.corpus import Corpus
    from mmrad.teach import ScriptedTeacher, run_teacher
    from mmrad.view import Budget

    if teacher != ScriptedTeacher.name:
        raise UsageError(
            f"no teacher {teacher!r}; there is {ScriptedTeacher.name!r} (MLLM teachers are to come)"
        )
    with progress("teach") as update:
        summary = run_teacher(Corpus(corpus), ScriptedTeacher(), budget=Budget(), seed=seed, progress=update)
    typer.echo(summary.describe())


def verify(corpus: CorpusArgument, teacher: TeacherOption = "scripted") -> None:
    """Verify the texts of a corpus again, without asking anybody, and print the pass rate of each check.

    Example:  mmrad verify corpus
    """
    from mmrad.corpus import Corpus
    from mmrad.teach import verify_corpus

    typer.echo(verify_corpus(Corpus(corpus), teacher).describe())
