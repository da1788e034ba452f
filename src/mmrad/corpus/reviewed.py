"""What the reviews of a corpus make of its samples, and the corpus as they leave it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mmrad.corpus.reviews import Review, StaleReviewError, applied, decisive
from mmrad.corpus.store import Corpus, Reference
from mmrad.corpus.tables import SAMPLES, row_of, sample_of
from mmrad.errors import DataError
from mmrad.sample import Pair, Sample

_BATCH = 4096
"""Samples that are held in memory as objects."""

_NAMED = 3
"""Samples that are named where there are too many to name."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """What reviews make of samples.

    Attributes:
        decided: Each sample on which people decided, as they leave it, by id; None for one that is dropped.
        edited: Ids of those that have other regions now.
        undecided: Ids of those on which the reviews decide nothing: unsure, disputed, or not reviewed by all.
        stale: Ids of those whose reviews were made for other regions than they have; they stay as they are.
        missing: Ids with a review of samples that are not there, without those that the reviews drop.
        unfit: Source and image of what is a normal reference no more: dropped, or anomalous.
    """

    decided: Mapping[str, Sample | None]
    edited: tuple[str, ...]
    undecided: tuple[str, ...]
    stale: tuple[str, ...]
    missing: tuple[str, ...]
    unfit: frozenset[tuple[str, str]]

    def of(self, sample: Sample) -> Sample | None:
        """A sample as its reviews leave it, without the given references that are none any more."""
        left = self.decided.get(sample.id, sample)
        if left is None:
            return None
        given = tuple(image for image in left.given_references if (left.source, image) not in self.unfit)
        return left if given == left.given_references else replace(left, given_references=given)

    @property
    def dropped(self) -> tuple[str, ...]:
        """Ids of the samples that the reviews drop."""
        return tuple(sample_id for sample_id, left in self.decided.items() if left is None)

    def describe(self) -> list[str]:
        """Lines for people; none where nothing was reviewed."""
        lines = []
        if self.decided or self.undecided:
            as_they_were = len(self.decided) - len(self.edited) - len(self.dropped)
            lines.append(
                f"reviews: {as_they_were} samples kept as they were, {len(self.edited)} edited, "
                f"{len(self.dropped)} dropped, {len(self.undecided)} not decided"
            )
        if self.stale:
            lines.append(
                f"reviews: {len(self.stale)} samples have other regions than their reviewers saw and stay "
                f"without their reviews, review them again: {_named(self.stale)}"
            )
        if self.missing:
            lines.append(
                f"reviews: {len(self.missing)} samples are not in the corpus, their reviews are left unused: "
                f"{_named(self.missing)}"
            )
        return lines


def _named(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return ", ".join(ids[:_NAMED]) + more


def decide(samples: Iterable[Sample], reviews: Mapping[str, Sequence[Review]]) -> Decisions:
    """What reviews make of samples.

    Args:
        samples: The samples; those without a review may be among them.
        reviews: By sample id, as `read_reviews` gives them.
    """
    decided: dict[str, Sample | None] = {}
    edited, undecided, stale = [], [], []
    unfit: set[tuple[str, str]] = set()
    absent = set(reviews)
    for sample in samples:
        if sample.id not in absent:
            continue
        absent.remove(sample.id)
        of_sample = reviews[sample.id]
        if not decisive(of_sample):
            undecided.append(sample.id)
            continue
        try:
            left = applied(sample, of_sample)
        except StaleReviewError:
            stale.append(sample.id)
            continue
        decided[sample.id] = left
        if left is None or left.anomalous:
            unfit.add((sample.source, sample.image))
        if left is not None and left != sample:
            edited.append(sample.id)
    missing = tuple(
        sample_id for sample_id in reviews if sample_id in absent and not _drop(reviews[sample_id])
    )
    return Decisions(decided, tuple(edited), tuple(undecided), tuple(stale), missing, frozenset(unfit))


def _drop(reviews: Sequence[Review]) -> bool:
    deciding = decisive(reviews)
    return bool(deciding) and deciding[-1].outcome == "drop"


class ReviewedCorpus(Corpus):
    """A corpus as its reviews leave it, whether or not it was built with them; for reading only.

    Samples that were dropped are not there, and the others have the regions that people left them. Images
    that were dropped or found anomalous are no references. The manifest is the one on disk.

    Args:
        path: The folder.

    Raises:
        DataError: When it is no corpus or damaged.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._built = Corpus(path)

    @cached_property
    def decisions(self) -> Decisions:
        """What the reviews make of the samples.

        Raises:
            DataError: When `reviews.jsonl` is damaged; the message names the line.
        """
        table = self._built.table
        reviewed = table.filter(pc.is_in(table["id"], pa.array(list(self.reviews), pa.string())))
        return decide(map(sample_of, reviewed.to_pylist()), self.reviews)

    @cached_property
    def table(self) -> pa.Table:
        """All samples as one table, see `mmrad.corpus.tables.SAMPLES`.

        Raises:
            DataError: When the reviews leave none.
        """
        if not self.reviews:
            return self._built.table
        batches = self._built.table.to_batches(max_chunksize=_BATCH)
        table = pa.concat_tables(self._reviewed(batch) for batch in batches)
        if not table.num_rows:
            raise DataError(f"{self.path}: its reviews drop every sample; nothing is left of it")
        return table

    def _reviewed(self, batch: pa.RecordBatch) -> pa.Table:
        left = map(self.decisions.of, map(sample_of, batch.to_pylist()))
        return pa.Table.from_pylist([row_of(sample) for sample in left if sample], schema=SAMPLES)

    @cached_property
    def references(self) -> dict[str, tuple[Reference, ...]]:
        """The chosen references by sample id, best first, without images that are none any more."""
        unfit = self.decisions.unfit
        sources = dict(zip(*(self.table[name].to_pylist() for name in ("id", "source")), strict=True))
        fit = {
            sample_id: tuple(one for one in found if (sources[sample_id], one.image) not in unfit)
            for sample_id, found in self._built.references.items()
            if sample_id in sources
        }
        return {sample_id: found for sample_id, found in fit.items() if found}

    def pairs(self, samples: Iterable[Sample], *, references: int = 1) -> list[Pair]:
        """The samples beside their best references, see `Corpus.pairs`.

        Raises:
            DataError: When a sample has no reference although one is wanted; the message says where its
                reviews took the last one.
        """
        samples = list(samples)
        bare = [sample.id for sample in samples if sample.id not in self.references]
        if references and (lost := [sample_id for sample_id in bare if sample_id in self._built.references]):
            raise DataError(
                f"{self.path}: {len(lost)} samples have no reference left, all theirs were dropped or found "
                f"anomalous in review: {_named(lost)}; run  mmrad build  and  mmrad reference {self.path}  "
                "again"
            )
        return super().pairs(samples, references=references)
