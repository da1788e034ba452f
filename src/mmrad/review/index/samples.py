"""What is known of each sample of a corpus, and which samples have what is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mmrad.bench.run import Run
from mmrad.corpus import Corpus
from mmrad.corpus.reviews import Review, Status
from mmrad.errors import UsageError
from mmrad.review.criteria import Criteria
from mmrad.review.criteria import Verdict as Judged
from mmrad.review.index.columns import ranked
from mmrad.review.index.select import Selection
from mmrad.review.index.signals import Signals
from mmrad.review.index.statistics import SelectionStatistics, count_selection
from mmrad.sample import Reasoning, Sample, Verdict


class SampleIndex:
    """What is known of each sample of a corpus: its truth, its review, and what audit, teachers and runs say.

    Truth is the corpus's own, as it was when it was opened; reviews made since do not change it. Texts,
    findings and runs are read when they are first asked for, or by `warm`; several threads may ask at once.

    Args:
        corpus: The corpus.
        runs: Runs on it.

    Attributes:
        corpus: The corpus.
        ids: Ids of the samples by row, in the order of the corpus.
        run_names: Names of the runs.

    Raises:
        DataError: When the corpus is damaged.
        UsageError: When a run is of another corpus, or two runs cannot be told apart.
    """

    def __init__(self, corpus: Corpus, runs: Sequence[Run] = ()) -> None:
        self.corpus = corpus
        self._signals = Signals(corpus, runs)
        self.ids = list(self._signals.row_of)
        self.run_names = self._signals.run_names

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self.ids)

    def warm(self) -> None:
        """Read now what is otherwise read when it is first asked for; meant for a thread of its own."""
        self._signals.warm()

    def row(self, sample_id: str) -> int:
        """The row of a sample.

        Raises:
            UsageError: When there is no such sample.
        """
        row = self._signals.row_of.get(sample_id)
        if row is None:
            raise UsageError(f"no sample {sample_id!r} in this corpus")
        return row

    def sample(self, sample_id: str) -> Sample:
        """A sample.

        Raises:
            UsageError: When there is no such sample.
        """
        return self.samples([self.row(sample_id)])[0]

    def samples(self, rows: Sequence[int] | NDArray[np.int64]) -> list[Sample]:
        """The samples of rows, in their order; many at once take less time than one by one."""
        return self._signals.samples(rows)

    def select(self, criteria: Criteria, statuses: Mapping[str, Status]) -> NDArray[np.int64]:
        """The rows of the samples that have what is asked for, in the order that is asked for.

        Uncertain are those whose score is nearest to the border between normal and anomalous: 0.5 of a
        probability, a confidence or a fused score; the threshold of an expert's map, by ranks within each
        category, or the middle rank without a threshold. Samples without a score come last.

        Args:
            criteria: What is asked for.
            statuses: How samples with reviews stand; the others are open.

        Raises:
            UsageError: When a name does not occur in the corpus, or something is asked of findings, texts or
                runs and there are none.
            DataError: When a file that is needed is damaged.
        """
        return Selection(self._signals, criteria, statuses).rows()

    def facets(self, criteria: Criteria, statuses: Mapping[str, Status]) -> dict[str, dict[str, int]]:
        """How many of the selected samples have each name, by facet.

        The names that are chosen of a facet do not narrow its own counts, so that one sees what choosing
        others would give. Order and limit do not count.

        Args:
            criteria: What is asked for.
            statuses: How samples with reviews stand.

        Returns:
            The counts of names, largest first, without zeros: of `source`, `category`, `split`, `label` and
            `status`; of `finding` where the images were examined; of `failed_check` once the texts are read
            (see `warm`); of `verdict` for the run that is named, or the only one once it is read.

        Raises:
            UsageError, DataError: As `select`.
        """
        return Selection(self._signals, criteria, statuses).facets()

    def labels(self, source: str, category: str) -> list[str]:
        """The labels of the regions of a category, the most frequent first; none of an unknown one."""
        signals = self._signals
        codes = np.flatnonzero(np.array(signals.categories.names) == f"{source}/{category}")
        regions = signals.regions
        own = np.isin(signals.categories.codes[regions.rows], codes)
        return list(ranked(regions.names, np.bincount(regions.codes[own], minlength=len(regions.names))))

    def findings(self, sample_id: str) -> tuple[str, ...]:
        """What the audit found of a sample's image; nothing also where nobody has looked.

        Raises:
            UsageError: When there is no such sample.
        """
        row = self.row(sample_id)
        return self._signals.findings().of(row) if self._signals.has("finding", None) else ()

    def texts(self, sample_id: str, reviews: Sequence[Review] | None = None) -> list[Reasoning]:
        """The text of each teacher that has one, the scripted teacher's last.

        Args:
            sample_id: The sample.
            reviews: Its reviews, which may have edited or refused texts; None takes those that the corpus had
                when they were first read.

        Raises:
            UsageError: When there is no such sample.
            DataError: When a journal is damaged.
        """
        row = self.row(sample_id)
        return list(self._signals.texts().of(row, self.samples([row])[0], reviews))

    def verdict(self, run: str, sample_id: str) -> Verdict | None:
        """What a run says of a sample; None when it was not asked.

        Raises:
            UsageError: When there is no such sample or run.
            DataError: When the run is damaged.
        """
        return self._signals.judgements(run).verdict(self.row(sample_id), sample_id)

    def judged(self, run: str, sample_id: str) -> Judged | None:
        """How a run judged a sample: `right`, `missed`, `false_alarm` or `unanswered`; None when not asked.

        Raises:
            UsageError: When there is no such sample or run.
            DataError: When the run is damaged.
        """
        return self._signals.judgements(run).outcome(self.row(sample_id))

    def statistics(self, rows: NDArray[np.int64]) -> SelectionStatistics:
        """What some samples are made of.

        Args:
            rows: Their rows, as of `select`.
        """
        signals = self._signals
        among = np.zeros(len(self), bool)
        among[rows] = True
        return count_selection(
            among, signals.categories, signals.plain["split"], signals.regions, signals.sizes_wh
        )
