"""A run on disk: `run.json` says what was asked of whom, `verdicts.jsonl` holds the answers.

A line of `verdicts.jsonl` is `{"sample_id": …, "key": …, "verdict": {…}}`; of several lines for one sample
the last counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from mmrad.bench.records import verdict_from_record, verdict_to_record
from mmrad.corpus import Corpus
from mmrad.endpoint import Price
from mmrad.errors import DataError
from mmrad.files import atomic_path, write_text
from mmrad.journal import Journal, Record, read_journal
from mmrad.metrics import Scores, score
from mmrad.sample import Sample, Usage, Verdict

SCHEMA_VERSION = 1
INFO_FILE, VERDICTS_FILE = "run.json", "verdicts.jsonl"


class RunInfo(BaseModel):
    """The content of `run.json`.

    Attributes:
        schema_version: Version of this format.
        name: Name of the inspector, for tables.
        created: When the run began, ISO 8601 in UTC.
        mmrad_version: The mmrad that began it.
        inspector: The inspector's key: everything besides the images that can change an answer.
        about: What tables say of the inspector and no answer depends on, see `Inspector.about`.
        corpus: Folder of the corpus, relative to the run's folder when possible.
        corpus_sha256: Hash of the sample records by source, of the sources that occur in the run.
        references: Reference images beside each query.
        reference_method: How they were chosen (several methods joined by `+`), or `none`.
        references_sha256: Hash of which references each sample of the run's sources has.
        sample_ids: The queries, in order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA_VERSION
    name: str
    created: str
    mmrad_version: str
    inspector: dict[str, Any]
    about: dict[str, Any] = {}
    corpus: str
    corpus_sha256: dict[str, str]
    references: int
    reference_method: str
    references_sha256: str
    sample_ids: list[str]

    def save(self, folder: Path) -> None:
        """Write `run.json` into a run's folder, atomically."""
        write_text(folder / INFO_FILE, self.model_dump_json(indent=2) + "\n")


class Run:
    """The verdicts of one inspector on samples of a corpus.

    Args:
        path: Folder of the run.
        info: What the run says of itself.
    """

    def __init__(self, path: Path, info: RunInfo) -> None:
        self.path = path
        self.info = info

    @classmethod
    def load(cls, path: Path) -> Run:
        """Open the folder of a run; the corpus and the verdicts are read when they are first wanted.

        Raises:
            DataError: When it is no run, or damaged or from a newer mmrad.
        """
        return cls(path, load_info(path))

    @cached_property
    def corpus(self) -> Corpus:
        """The corpus that the queries belong to.

        Raises:
            DataError: When it has moved, or changed since the run.
        """
        folder = (self.path / self.info.corpus).resolve()
        where = f'set "corpus" in {self.path / INFO_FILE} to the folder it is in now'
        try:
            corpus = Corpus(folder)
        except DataError as error:
            raise DataError(
                f"{self.path}: its corpus cannot be opened ({error}); if it has moved, {where}"
            ) from error
        for source, digest in self.info.corpus_sha256.items():
            found = corpus.manifest.sources.get(source)
            if found is None or found.samples_sha256 != digest:
                what = f"has no source {source!r}" if found is None else f"has other samples of {source!r}"
                raise DataError(
                    f"{self.path}: the corpus {folder} {what} than when the run was made; {where}, "
                    "or bench the changed corpus into another folder"
                )
        return corpus

    @cached_property
    def samples(self) -> list[Sample]:
        """The queries with their truth, in the order they were given.

        Raises:
            DataError: When the corpus has moved or changed, or lacks one of them.
        """
        by_id = {sample.id: sample for sample in self.corpus.samples}
        missing = [sample_id for sample_id in self.info.sample_ids if sample_id not in by_id]
        if missing:
            raise DataError(
                f"{self.path}: {len(missing)} of its samples are not in the corpus, first {missing[0]}"
            )
        return [by_id[sample_id] for sample_id in self.info.sample_ids]

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """Verdicts by sample id, in the order of the queries; a query not asked yet is absent.

        Raises:
            DataError: When a line is damaged; the message names it.
        """
        lines = read_lines(self.path)
        return {key: lines[key][1] for key in self.info.sample_ids if key in lines}

    def scores(self) -> Scores:
        """All figures of the verdicts; of an inspector that gives no places none of localization."""
        scores = score(self.samples, self.verdicts)
        return scores.without_places() if self.info.about.get("localization") == "none" else scores


def write_derived(folder: Path, info: RunInfo, verdicts: Iterable[Verdict]) -> Run:
    """Write a run that was computed from others; with a kill half-way all is derived again.

    Args:
        folder: Its folder.
        info: What it is; `derived_from` in its inspector's key is the key of all lines.
        verdicts: One for each of the queries, in their order.
    """
    key = info.inspector["derived_from"]
    with atomic_path(folder / VERDICTS_FILE) as temporary, Journal(temporary, group=1 << 30) as journal:
        for sample_id, verdict in zip(info.sample_ids, verdicts, strict=True):
            journal.append({"sample_id": sample_id, "key": key, "verdict": verdict_to_record(verdict)})
    info.save(folder)  # last: without it, or with an earlier one, all is derived again
    return Run(folder, info)


def load_info(folder: Path) -> RunInfo:
    """Read the `run.json` of a run's folder.

    Raises:
        DataError: When there is none, or it is damaged or from a newer mmrad.
    """
    path = folder / INFO_FILE
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise DataError(f"{folder}: not a run (no {INFO_FILE}); make one with  mmrad bench") from None
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: unreadable ({error}); restore it, or delete the folder and bench again"
        ) from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise DataError(
            f"{path}: schema {version} is newer than this mmrad reads ({SCHEMA_VERSION}); upgrade mmrad"
        )
    try:
        if version != SCHEMA_VERSION:
            raise ValueError(f"schema {version!r}")
        return RunInfo.model_validate(content)
    except (ValidationError, ValueError) as error:
        reason = error.errors()[0] if isinstance(error, ValidationError) else error
        raise DataError(
            f"{path}: not a run's description ({reason}); delete the folder and bench again"
        ) from error


def read_lines(folder: Path) -> dict[str, tuple[str, Verdict]]:
    """Key and verdict of the last line of each sample in a run's folder, by sample id.

    Raises:
        DataError: When a line is damaged; the message names it.
    """
    path = folder / VERDICTS_FILE
    return {
        record["sample_id"]: (record["key"], verdict)
        for number, record in enumerate(read_journal(path), 1)
        if (verdict := _verdict(path, number, record))
    }


def price_of(info: RunInfo) -> Price | None:
    """What the tokens of a run cost; None where unknown."""
    price = info.about.get("price")
    return Price(**price) if price else None


def spent(folder: Path, price: Price) -> float:
    """Dollars of all answers in a run's folder, those that were asked again included.

    Answers whose tokens the server did not say count nothing.
    """
    lines = read_journal(folder / VERDICTS_FILE)
    usages = (Usage(**line["verdict"]["usage"]) for line in lines if not line.get("reparsed"))
    return sum(price.cost(usage) or 0.0 for usage in usages)


def _verdict(path: Path, number: int, record: Record) -> Verdict:
    if not isinstance(record.get("sample_id"), str) or not isinstance(record.get("key"), str):
        raise DataError(f"{path}, line {number}: not a line of a run; remove it to ask again")
    try:
        return verdict_from_record(record.get("verdict", {}))
    except DataError as error:
        raise DataError(f"{path}, line {number}: {error}; remove the line to ask again") from error
