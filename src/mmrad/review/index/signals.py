"""All that is known of the samples of a corpus; what takes long is read when it is first asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mmrad.bench.run import Run
from mmrad.corpus import Corpus
from mmrad.corpus.tables import sample_of
from mmrad.curate.selection import ALL_FINDINGS
from mmrad.errors import UsageError
from mmrad.review.index.columns import Mask, Regions, Tags, listed, one_each
from mmrad.review.index.judgements import ANOMALOUS, NORMAL, Judgements, named
from mmrad.review.index.once import Once
from mmrad.review.index.texts import Texts, TextSignals
from mmrad.sample import Sample


class Signals:
    """All that is known of the samples of a corpus, in columns.

    Args:
        corpus: The corpus.
        runs: Runs on it.

    Attributes:
        corpus: The corpus.
        count: How many samples it has.
        row_of: The row of each sample.
        regions: The regions of all samples.
        anomalous: Which samples have regions, shape `(count,)`.
        sizes_wh: Width and height of the images, shape `(count, 2)`.
        plain: Their sources, categories, splits and labels, by the name of the facet.
        run_names: Names of the runs.
        texts: The texts; reading where they lie takes a second or two for 100K of them.
    """

    def __init__(self, corpus: Corpus, runs: Sequence[Run]) -> None:
        self.corpus = corpus
        self.table = corpus.table.combine_chunks()
        self.count = self.table.num_rows
        self.row_of: dict[str, int] = dict(zip(self.table["id"].to_pylist(), range(self.count), strict=True))
        self.regions = Regions.of_column(self.table["regions"])
        self.anomalous = np.bincount(self.regions.rows, minlength=self.count) > 0
        self.sizes_wh = np.stack([self.table[name].to_numpy() for name in ("width", "height")], 1).astype(
            np.int64
        )
        self.plain = {name: one_each(name, self.table[name]) for name in ("source", "category", "split")}
        labels = Tags("label", self.regions.names, self.regions.rows, self.regions.codes, self.count)
        self.plain["label"] = labels
        self._runs = {
            name: Once(partial(Judgements, run, self.row_of, self.anomalous))
            for name, run in named(runs, corpus).items()
        }
        self.run_names = list(self._runs)
        self.texts = Once(lambda: Texts(corpus, self.row_of))
        self._text_signals = Once(self._read_texts)
        self._findings = Once(self._read_findings)

    @cached_property
    def categories(self) -> Tags:
        """`source/category` of each sample."""
        joined = pc.binary_join_element_wise(self.table["source"], self.table["category"], "/")
        return one_each("category", joined)

    @cached_property
    def small_ids(self) -> pa.ChunkedArray:
        """Ids in small letters."""
        return pc.utf8_lower(self.table["id"])

    @cached_property
    def smallest_sides(self) -> NDArray[np.float64]:
        """See `Regions.smallest_sides`."""
        return self.regions.smallest_sides(self.count)

    def samples(self, rows: Sequence[int] | NDArray[np.int64]) -> list[Sample]:
        """The samples of rows."""
        return [sample_of(row) for row in self.table.take(pa.array(rows, pa.int64())).to_pylist()]

    def warm(self) -> None:
        """Read what takes long, in the order in which people ask for it."""
        _ = self.corpus.references
        self.texts()
        if self._examined:
            self._findings()
        for judgements in self._runs.values():
            judgements()
        self._text_signals()

    def has(self, facet: str, run: str | None) -> bool:
        """Whether there is a facet, and its names are at hand or quickly read."""
        match facet:
            case "finding":
                return self._examined
            case "failed_check":
                return self._text_signals.ready and bool(self.texts().journals)
            case "verdict":
                return run is not None or [judgements.ready for judgements in self._runs.values()] == [True]
            case _:
                return True

    def findings(self) -> Tags:
        """What the audit found of the images.

        Raises:
            UsageError: When nobody has looked.
        """
        if not self._examined:
            raise UsageError(
                "the images of this corpus were never examined; build it again with  mmrad build"
            )
        return self._findings()

    def failed_checks(self) -> Tags:
        """The checks that texts fail.

        Raises:
            UsageError: When there are no texts.
        """
        self._need_teachers(1, "there are no texts whose checks could have failed")
        return self._text_signals().failed

    def teachers_disagreeing(self) -> Mask:
        """Where teachers say different things.

        Raises:
            UsageError: When there are not two of them.
        """
        self._need_teachers(2, "there are no texts of two teachers who could disagree")
        return self._text_signals().disagreeing

    def judgements(self, run: str | None) -> Judgements:
        """What a run says; of None the only one.

        Raises:
            UsageError: When there is no such run, or none is named among several.
        """
        there = f"there are: {', '.join(self._runs)}" if self._runs else "the corpus was opened without runs"
        if run is None and len(self._runs) == 1:
            run = self.run_names[0]
        if run is None:
            raise UsageError(f"say of which run; {there}")
        if run not in self._runs:
            raise UsageError(f"no run {run!r}; {there}")
        return self._runs[run]()

    def doubts(self, run: str | None) -> NDArray[np.float64]:
        """See `Judgements.doubts`."""
        return self.judgements(run).doubts(self.categories.names, self.categories.codes)

    def runs_disagreeing(self) -> Mask:
        """Where one run says that a sample is normal and another that it is anomalous.

        Raises:
            UsageError: When there are not two of them.
        """
        if len(self._runs) < 2:
            raise UsageError(f"it takes two runs to disagree; there are {len(self._runs)}")
        said = np.stack([judgements().said for judgements in self._runs.values()])
        return np.asarray((said == NORMAL).any(axis=0) & (said == ANOMALOUS).any(axis=0))

    @cached_property
    def _examined(self) -> bool:
        return (self.corpus.path / "quality").is_dir()

    def _need_teachers(self, number: int, trouble: str) -> None:
        if len(self.texts().journals) < number:
            raise UsageError(f"{trouble}; run  mmrad teach {self.corpus.path.name}")

    def _read_texts(self) -> TextSignals:
        return self.texts().signals(self.samples)

    def _read_findings(self) -> Tags:
        tables = [
            self.corpus.quality(source).select(["id", "findings"]) for source in self.corpus.manifest.sources
        ]
        table = pa.concat_tables(tables).combine_chunks()
        numbers = pc.list_value_length(table["findings"]).to_numpy()
        ids = np.repeat(table["id"].to_numpy(), numbers)
        names = pc.list_flatten(table["findings"]).to_pylist()
        found = [
            (self.row_of[name], finding)
            for name, finding in zip(ids, names, strict=True)
            if name in self.row_of
        ]
        return listed("finding", found, self.count, ALL_FINDINGS)
