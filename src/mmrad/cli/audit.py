"""`mmrad audit`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from mmrad.cli.options import CorpusArgument, JsonOption


def audit(
    corpus: CorpusArgument,
    out: Annotated[Path | None, typer.Option(help="Folder for audit.html, with pictures.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is wrong with a corpus: poor images, duplicates, leaks, odd boxes, files left out.

    A finding is a hint. Build again with  --drop FINDING,…  to leave such images out; that opens no image.

    Example:  mmrad audit corpus --out audit
    """
    from mmrad.corpus import Corpus
    from mmrad.corpus.reviews import count_statuses
    from mmrad.curate.audit import AUDITED
    from mmrad.curate.audit import audit as audit_corpus
    from mmrad.report.audit import write_audit

    opened = Corpus(corpus)
    found = audit_corpus(opened)
    reviewed = count_statuses(
        opened.reviews[sample.id] for sample in opened.samples if sample.id in opened.reviews
    )
    written = write_audit(opened, found, out) if out else None
    if as_json:
        cases = {
            name: [
                {"id": case.sample.id, "duplicate_of": case.original.id if case.original else None}
                for case in listed
            ]
            for name, listed in found.cases.items()
        }
        sources = [asdict(source) for source in found.sources]
        content = {"sources": sources, "cases": cases, "rejections": found.rejections, "reviewed": reviewed}
        typer.echo(json.dumps(content, indent=2))
        return
    table = Table("finding", *(source.source for source in found.sources), title=str(corpus))
    table.add_row("images", *(str(source.images) for source in found.sources))
    table.add_row("left out", *(str(source.left_out) for source in found.sources))
    for name in AUDITED:
        if name in found.cases:
            table.add_row(name, *(str(source.findings[name]) for source in found.sources))
    Console().print(table)
    for source in found.sources:
        if source.mixed_sizes:
            typer.echo(f"{source.source}: several image sizes in {', '.join(source.mixed_sizes)}")
    if reviewed:
        counts = ", ".join(f"{count} {status}" for status, count in reviewed.items())
        typer.echo(f"reviewed: {sum(reviewed.values())} of {len(opened.samples)} samples: {counts}")
    if written:
        typer.echo(f"wrote {written}")
