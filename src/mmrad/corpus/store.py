"""Reading a corpus folder, and adding references to it.

corpus.json               the manifest
samples/SOURCE.parquet    one row a sample
quality/SOURCE.parquet    what was found out about each image (mmrad.sources.build)
references.parquet        one row for each (sample, rank)
texts/TEACHER.jsonl       what a teacher wrote, appended as it comes (mmrad.teach)
reviews.jsonl             what people decided, appended as it comes (mmrad.corpus.reviews)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mmrad.corpus.manifest import load_manifest
from mmrad.corpus.reviews import Review, read_reviews
from mmrad.corpus.tables import QUALITY, REFERENCES, SAMPLES, read_table, sample_of, table_writer
from mmrad.errors import DataError, UsageError
from mmrad.sample import Pair, Sample


@dataclass(frozen=True, slots=True)
class Reference:
    """One normal image chosen for a sample.

    Attributes:
        sample_id: The sample.
        rank: 0 for the best.
        image: Path relative to the root of the sample's source.
        method: How it was chosen: `aligned`, `given` or `random`.
        distance: Its misalignment, smaller is better; 0 where the method has none.
    """

    sample_id: str
    rank: int
    image: str
    method: str
    distance: float


class Corpus:
    """A corpus folder, opened for reading; references and texts can be added to it.

    Args:
        path: The folder.

    Raises:
        DataError: When it is no corpus or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = load_manifest(path)

    @cached_property
    def samples(self) -> list[Sample]:
        """All samples, by source, in the order they were written."""
        return self.select()

    @cached_property
    def table(self) -> pa.Table:
        """All samples as one table, see `mmrad.corpus.tables.SAMPLES`."""
        return pa.concat_tables([self._source_table(source) for source in self.manifest.sources])

    def _source_table(self, source: str) -> pa.Table:
        path = self.path / "samples" / f"{source}.parquet"
        table = read_table(path, SAMPLES)
        expected = self.manifest.sources[source].images
        if table.num_rows != expected:
            raise DataError(
                f"{path}: has {table.num_rows} samples, the manifest says {expected}; build the corpus again"
            )
        return table

    def select(
        self,
        *,
        sources: Sequence[str] | None = None,
        categories: Sequence[str] | None = None,
        splits: Sequence[str] | None = None,
    ) -> list[Sample]:
        """The samples of the given sources, categories and splits; None means all.

        Raises:
            UsageError: When a name does not occur in the corpus.
        """
        table = self.table
        for column, names in (("source", sources), ("category", categories), ("split", splits)):
            if names is None:
                continue
            known = set(
                self.manifest.sources if column == "source" else pc.unique(self.table[column]).to_pylist()
            )
            unknown = set(names) - known
            if unknown:
                raise UsageError(f"{self.path}: no {column} {sorted(unknown)}; there are {sorted(known)}")
            table = table.filter(pc.is_in(table[column], pa.array(names, pa.string())))
        return [sample_of(row) for row in table.to_pylist()]

    def quality(self, source: str) -> pa.Table:
        """What was found out about the images of a source, see `mmrad.corpus.tables.QUALITY`.

        Raises:
            DataError: When the corpus was not made by `mmrad build`.
        """
        path = self.path / "quality" / f"{source}.parquet"
        if not path.exists():
            raise DataError(f"{path}: missing; build the corpus again to have its images examined")
        return read_table(path, QUALITY)

    def root(self, source: str) -> Path:
        """The folder that paths of a source are relative to."""
        return (self.path / self.manifest.sources[source].root).resolve()

    def resolve(self, source: str, relative: str) -> Path:
        """The path on this machine of an image or mask of a source."""
        return self.root(source) / relative

    @cached_property
    def references(self) -> dict[str, tuple[Reference, ...]]:
        """The chosen references by sample id, best first; empty before `mmrad reference` has run."""
        path = self.path / "references.parquet"
        if not path.exists():
            return {}
        found: dict[str, list[Reference]] = {}
        for row in read_table(path, REFERENCES).to_pylist():
            found.setdefault(row["sample_id"], []).append(Reference(**row))
        return {key: tuple(sorted(value, key=lambda r: r.rank)) for key, value in found.items()}

    @cached_property
    def reviews(self) -> dict[str, list[Review]]:
        """What people decided, by sample id, in the order they decided it; see `mmrad.corpus.reviews`."""
        return read_reviews(self.path)

    def write_references(self, references: Iterable[Reference]) -> None:
        """Replace the references of the corpus, atomically."""
        with table_writer(self.path / "references.parquet", REFERENCES) as writer:
            for reference in references:
                writer.add({name: getattr(reference, name) for name in REFERENCES.names})
        self.__dict__.pop("references", None)

    def pairs(self, samples: Iterable[Sample], *, references: int = 1) -> list[Pair]:
        """The samples beside their best references, with paths on this machine.

        Args:
            samples: Samples of this corpus.
            references: How many references each pair gets; 0 for none.

        Raises:
            DataError: When a sample has no reference although one is wanted.
        """
        return [self._pair(sample, references) for sample in samples]

    def _pair(self, sample: Sample, wanted: int) -> Pair:
        chosen = self.references.get(sample.id, ())[:wanted] if wanted else ()
        if wanted and not chosen:
            raise DataError(f"{self.path}: {sample.id} has no reference; run  mmrad reference {self.path}")
        root = self.root(sample.source)
        return Pair(sample, root / sample.image, tuple(root / reference.image for reference in chosen))
