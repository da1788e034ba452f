"""Reading and writing a corpus folder.

corpus.json               the manifest
samples/SOURCE.parquet    one row a sample
references.parquet        one row for each (sample, rank)
texts/TEACHER.jsonl       what a teacher wrote, appended as it comes (mmrad.teach)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mmrad.box import Box
from mmrad.corpus.manifest import Manifest, SourceInfo, load_manifest
from mmrad.errors import DataError, UsageError
from mmrad.files import atomic_path
from mmrad.sample import Pair, Region, Sample

_REGION = pa.struct([("box", pa.list_(pa.float64(), 4)), ("label", pa.string()), ("mask", pa.string())])
_SAMPLES = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("category", pa.string()),
        ("split", pa.string()),
        ("image", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("regions", pa.list_(_REGION)),
        ("licence", pa.string()),
        ("provenance", pa.string()),
        ("given_references", pa.list_(pa.string())),
    ]
)
_REFERENCES = pa.schema(
    [
        ("sample_id", pa.string()),
        ("rank", pa.int32()),
        ("image", pa.string()),
        ("method", pa.string()),
        ("distance", pa.float64()),
    ]
)


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
        return [sample for source in self.manifest.sources for sample in self._read_samples(source)]

    def _read_samples(self, source: str) -> list[Sample]:
        path = self.path / "samples" / f"{source}.parquet"
        rows = _read_table(path, _SAMPLES).to_pylist()
        expected = self.manifest.sources[source].images
        if len(rows) != expected:
            raise DataError(
                f"{path}: has {len(rows)} samples, the manifest says {expected}; build the corpus again"
            )
        return [_sample_from(row) for row in rows]

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
        for kind, names, known in (
            ("source", sources, set(self.manifest.sources)),
            ("category", categories, {sample.category for sample in self.samples}),
            ("split", splits, {sample.split for sample in self.samples}),
        ):
            unknown = set(names or ()) - known
            if unknown:
                raise UsageError(f"{self.path}: no {kind} {sorted(unknown)}; there are {sorted(known)}")
        return [
            sample
            for sample in self.samples
            if (sources is None or sample.source in sources)
            and (categories is None or sample.category in categories)
            and (splits is None or sample.split in splits)
        ]

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
        for row in _read_table(path, _REFERENCES).to_pylist():
            found.setdefault(row["sample_id"], []).append(Reference(**row))
        return {key: tuple(sorted(value, key=lambda r: r.rank)) for key, value in found.items()}

    def write_references(self, references: Iterable[Reference]) -> None:
        """Replace the references of the corpus, atomically."""
        rows = [{name: getattr(reference, name) for name in _REFERENCES.names} for reference in references]
        _write_table(self.path / "references.parquet", pa.Table.from_pylist(rows, schema=_REFERENCES))
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


def write_corpus(path: Path, sources: dict[str, SourceInfo], samples: Sequence[Sample]) -> Corpus:
    """Write a corpus folder; an existing one keeps its texts and loses its samples and references.

    Args:
        path: The folder.
        sources: The sources by name; counts and hashes are filled in here.
        samples: All samples; each belongs to one of the sources.

    Raises:
        DataError: When there are no samples, two have one id, or one belongs to none of the sources.
    """
    if not samples:
        raise DataError(f"{path}: no samples to write; check the folders given to  mmrad build")
    seen: set[str] = set()
    for sample in samples:
        if sample.id in seen:
            raise DataError(f"two samples have the id {sample.id!r} ({sample.image}); ids must be unique")
        seen.add(sample.id)
        if sample.source not in sources:
            raise DataError(f"{sample.id}: its source {sample.source!r} is none of {sorted(sources)}")
    infos: dict[str, SourceInfo] = {}
    for name, info in sources.items():
        rows = [_row(sample) for sample in samples if sample.source == name]
        _write_table(path / "samples" / f"{name}.parquet", pa.Table.from_pylist(rows, schema=_SAMPLES))
        digest = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
        counts = {"images": len(rows), "anomalous": sum(bool(row["regions"]) for row in rows)}
        infos[name] = info.model_copy(update={**counts, "samples_sha256": digest})
    (path / "references.parquet").unlink(missing_ok=True)
    Manifest(sources=infos).save(path)
    return Corpus(path)


def _row(sample: Sample) -> dict[str, Any]:
    regions = [
        {"box": list(region.box.xyxy), "label": region.label, "mask": region.mask}
        for region in sample.regions
    ]
    width, height = sample.size_wh
    plain = {
        name: getattr(sample, name)
        for name in ("id", "source", "category", "split", "image", "licence", "provenance")
    }
    return {
        **plain, "width": width, "height": height, "regions": regions,
        "given_references": list(sample.given_references),
    }  # fmt: skip


def _sample_from(row: dict[str, Any]) -> Sample:
    regions = tuple(Region(Box(*r["box"]), r["label"], r["mask"]) for r in row.pop("regions"))
    size_wh = (row.pop("width"), row.pop("height"))
    given = tuple(row.pop("given_references"))
    return Sample(**row, size_wh=size_wh, regions=regions, given_references=given)


def _read_table(path: Path, schema: pa.Schema) -> pa.Table:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: unreadable ({error}); build the corpus again") from error
    if not table.schema.equals(schema):
        raise DataError(
            f"{path}: columns are {table.schema.names}, not {schema.names}; build the corpus again"
        )
    return table


def _write_table(path: Path, table: pa.Table) -> None:
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary)
