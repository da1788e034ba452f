"""The figures that the paper publishes of its own and earlier datasets, to compare a corpus with."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from mmrad.curate.statistics import TOTAL, Composition, Dataset

_COUNTS = ("images", "normal", "anomalous", "text_tokens", "categories", "anomaly_types", "anomalies")


def table_1() -> dict[str, Composition]:
    """The rows of Table 1 by the adapter that reads the source, and the last row under `SUM`.

    The release of MMR-AD itself, read by one adapter, is compared with the last row.
    """
    rows: dict[str, Composition] = {}
    for line in _read("table1.csv"):
        row = _composition(line["source"], line)
        rows |= dict.fromkeys(line["adapters"].split(), row)
        if row.name == TOTAL:
            rows[TOTAL] = row
    return rows


def table_3() -> list[Dataset]:
    """The rows of Table 3.

    It prints rounded figures: "0.58M" and "10M" tokens are given as 580,000 and 10,000,000, and the 125K
    images of Anomaly-Instruct-125K as the sum of its normal and anomalous ones. The tokens of MMR-AD are
    those of Table 1.
    """
    return [
        Dataset(_composition(line["dataset"], line), line["reasoning_text"], line["location"], published=True)
        for line in _read("table3.csv")
    ]


def _composition(name: str, line: Mapping[str, str]) -> Composition:
    counts = {key: int(line[key]) for key in _COUNTS if line.get(key)}
    # Every published sample has a text.
    return Composition(name, with_text=counts["images"], **counts)


def _read(name: str) -> Iterator[dict[str, str]]:
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
