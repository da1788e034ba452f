"""`mmrad stats`."""

from __future__ import annotations

import json

import typer
from rich.console import Console
from rich.table import Table

from mmrad.cli.options import CorpusArgument, JsonOption


def stats(corpus: CorpusArgument, as_json: JsonOption = False) -> None:
    """Count a corpus: images, categories, anomaly types and anomalous regions by source.

    Example:  mmrad stats corpus
    """
    from mmrad.corpus import Corpus

    opened = Corpus(corpus)
    rows = []
    for source in opened.manifest.sources:
        samples = opened.select(sources=[source])
        regions = [region for sample in samples for region in sample.regions]
        rows.append(
            {
                "source": source,
                "images": len(samples),
                "normal": sum(not sample.anomalous for sample in samples),
                "categories": len({sample.category for sample in samples}),
                "anomaly_types": len({region.label for region in regions}),
                "anomalies": len(regions),
            }
        )
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table(*rows[0], title=str(corpus))
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console().print(table)
