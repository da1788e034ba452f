"""`mmrad verify`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmrad.cli.options import BaseUrlOption, CorpusArgument, JsonOption
from mmrad.cli.progress import progress
from mmrad.errors import DataError

if TYPE_CHECKING:
    from mmrad.corpus import Corpus
    from mmrad.teach import Agreement, Verification


def verify(
    corpus: CorpusArgument,
    teacher: Annotated[
        list[str] | None, typer.Option(help="Whose texts; may be repeated; all when none is given.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="TOML file whose [verification] table has the thresholds.")
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="A model of --base-url that judges whether reasoning leads to answer.")
    ] = None,
    base_url: BaseUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify texts again without asking anybody, and print the pass rate by check and category.

    Example:  mmrad verify corpus
    """
    from mmrad.corpus import Corpus
    from mmrad.teach import Limits, teachers, verify_corpus
    from mmrad.teach.recipe import load_teach_recipe

    opened = Corpus(corpus)
    names = teacher or teachers(opened)
    if not names:
        raise DataError(f"{corpus}: there are no texts; run  mmrad teach {corpus}")
    limits = load_teach_recipe(recipe).verification if recipe else Limits()
    found = []
    for name in names:
        with progress(f"verify {name}") as update:
            found.append(verify_corpus(opened, name, limits=limits, progress=update))
    agreements = [_judged(opened, name, judge, base_url) for name in names] if judge else []
    if as_json:
        content = {
            "teachers": [verification.as_dict() for verification in found],
            "judge": [asdict(agreement) for agreement in agreements],
        }
        typer.echo(json.dumps(content, indent=2))
        return
    for verification in found:
        _print(verification)
    for agreement in agreements:
        typer.echo(agreement.describe())


def _judged(corpus: Corpus, teacher: str, judge: str, base_url: str | None) -> Agreement:
    from mmrad.endpoint import Endpoint
    from mmrad.teach import judge_texts

    with progress(f"judge {teacher}") as update:
        return judge_texts(corpus, teacher, Endpoint(judge, base_url), progress=update)


def _print(verification: Verification) -> None:
    """A sentence, how each check does, and what fails most in each category; `--json` has every cell."""
    overall, categories = verification.answers.overall, verification.answers.categories
    checks = Table("check", "answers that pass", "share", title=verification.summary())
    for name, count in overall.checks.items():
        checks.add_row(name, f"{count:,}", _share(count, overall.texts))
    table = Table("category", "answers", "verified", "fails most")
    for name, rate in categories.items():
        worst = min(rate.checks, key=lambda check: rate.checks[check])
        failed = rate.texts - rate.checks[worst]
        told = f"{worst} ({_share(failed, rate.texts)})" if failed else "-"
        table.add_row(escape(name), f"{rate.texts:,}", _share(rate.verified, rate.texts), told)
    Console().print(checks, table)


def _share(count: int, total: int) -> str:
    return f"{count / total:.1%}" if total else "-"
