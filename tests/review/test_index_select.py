"""Criteria to rows and facets, beside a plain search through all samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import make_corpus
from mmrad.corpus import Corpus
from mmrad.corpus.reviews import Status
from mmrad.errors import UsageError
from mmrad.review.criteria import Criteria
from mmrad.review.index import SampleIndex
from mmrad.sample import Sample
from reviewed import CLEAR, FOREIGN, QUOTED, SCRIPT, WIDE, big_corpus, reviewed_corpus

FINDINGS = {WIDE: ("blurry", "near_duplicate"), CLEAR: ("dark",)}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return reviewed_corpus(tmp_path_factory.mktemp("corpus"), 40)


@pytest.fixture(scope="module")
def index(corpus: Corpus) -> SampleIndex:
    return SampleIndex(corpus)


def ids(index: SampleIndex, statuses: Mapping[str, Status] | None = None, **asked: object) -> list[str]:
    rows = index.select(Criteria.model_validate(asked), statuses or {})
    return [index.ids[row] for row in rows]


def has(sample: Sample, criteria: Criteria, statuses: Mapping[str, Status], but: str = "") -> bool:
    """The meaning of criteria, sample by sample; the criterion `but` is left out."""

    def smallest(sample: Sample) -> float:
        box = min(sample.regions, key=lambda region: region.box.area).box
        return min(box.x2 - box.x1, box.y2 - box.y1)

    asked = {
        "source": (criteria.sources, [sample.source]),
        "category": (criteria.categories, [sample.category]),
        "split": (criteria.splits, [sample.split]),
        "label": (criteria.labels, [region.label for region in sample.regions]),
        "finding": (criteria.findings, FINDINGS.get(sample.id, ())),
        "status": (criteria.statuses, [statuses.get(sample.id, "open")]),
    }
    return (
        all(not wanted or set(wanted) & set(found) for name, (wanted, found) in asked.items() if name != but)
        and criteria.anomalous in (None, sample.anomalous)
        and criteria.search.lower() in sample.id.lower()
        and (criteria.smallest is None or (sample.anomalous and smallest(sample) <= criteria.smallest))
    )


def some(*names: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(names), max_size=2, unique=True).map(tuple)


CRITERIA = st.builds(
    Criteria,
    sources=some("line", "yard"),
    categories=some("nut", "plate", "cable"),
    splits=some("test", "train", "validation"),
    labels=some("scratch", "dent", SCRIPT, QUOTED, FOREIGN),
    anomalous=st.sampled_from([None, True, False]),
    findings=some("blurry", "dark", "near_duplicate", "small"),
    statuses=some("open", "keep", "drop", "unsure", "waiting", "disputed"),
    smallest=st.none() | st.floats(1, 400),
    search=st.sampled_from(["", "TEST/0", "plate", "1", "nowhere", "."]),
    limit=st.none() | st.integers(1, 50),
)
STATUSES: st.SearchStrategy[Status] = st.sampled_from(["keep", "drop", "unsure", "waiting", "disputed"])


@given(CRITERIA, st.dictionaries(st.integers(0, 39), STATUSES))
def test_rows_and_facets_are_those_of_a_plain_search(
    index: SampleIndex, criteria: Criteria, decided: dict[int, Status]
) -> None:
    samples = index.corpus.samples
    statuses = {samples[row].id: status for row, status in decided.items()} | {"gone/from/the/corpus": "keep"}
    expected = [row for row, sample in enumerate(samples) if has(sample, criteria, statuses)]
    assert index.select(criteria, statuses).tolist() == expected[: criteria.limit]
    facets = index.facets(criteria, statuses)
    assert set(facets) == {"source", "category", "split", "label", "finding", "status"}
    names = {
        "source": lambda sample: [sample.source],
        "category": lambda sample: [sample.category],
        "label": lambda sample: {region.label for region in sample.regions},
        "finding": lambda sample: FINDINGS.get(sample.id, ()),
        "status": lambda sample: [statuses.get(sample.id, "open")],
    }
    for facet, of in names.items():
        others = [sample for sample in samples if has(sample, criteria, statuses, but=facet)]
        assert facets[facet] == Counter(name for sample in others for name in of(sample))


def test_facets_list_the_most_frequent_first(index: SampleIndex) -> None:
    counts = list(index.facets(Criteria(), {})["label"].values())
    assert counts == sorted(counts, reverse=True)
    assert len(counts) >= 5


def test_unknown_names_are_refused_with_those_there_are(index: SampleIndex) -> None:
    with pytest.raises(UsageError, match=r"no category bolt; there are: cable, nut, plate"):
        ids(index, categories=["bolt"])
    with pytest.raises(UsageError, match=r"no label gone; there are: .*dent"):
        ids(index, labels=["dent", "gone"])
    with pytest.raises(UsageError, match="no finding ugly"):
        ids(index, findings=["ugly"])


def test_random_order_is_the_same_each_time_and_under_each_filter(index: SampleIndex) -> None:
    everything = ids(index, order="random")
    assert everything == ids(index, order="random")
    assert everything != index.ids
    assert sorted(everything) == sorted(index.ids)
    nuts = ids(index, order="random", categories=["nut"])
    assert nuts == [name for name in everything if "/nut/" in name]
    assert ids(index, order="random", limit=5) == everything[:5]


def test_what_a_corpus_lacks_is_said(tmp_path: Path) -> None:
    index = SampleIndex(make_corpus(tmp_path, 4))
    with pytest.raises(UsageError, match="never examined; build it again"):
        ids(index, findings=["blurry"])
    with pytest.raises(UsageError, match="no texts"):
        ids(index, failed_checks=["iou"])
    with pytest.raises(UsageError, match="two teachers"):
        ids(index, teachers_disagree=True)
    with pytest.raises(UsageError, match="without runs"):
        ids(index, verdicts=["wrong"])
    with pytest.raises(UsageError, match="without runs"):
        ids(index, order="uncertain")
    with pytest.raises(UsageError, match="no run 'x'"):
        ids(index, run="x", verdicts=["wrong"])
    with pytest.raises(UsageError, match="two runs"):
        ids(index, runs_disagree=True)
    assert set(index.facets(Criteria(), {})) == {"source", "category", "split", "label", "status"}
    assert index.findings(index.ids[0]) == ()
    assert index.texts(index.ids[0]) == []


def test_samples_are_those_of_the_corpus(index: SampleIndex) -> None:
    assert len(index) == len(index.corpus.samples)
    assert index.ids == [sample.id for sample in index.corpus.samples]
    assert [index.sample(name) for name in index.ids] == index.corpus.samples
    assert index.samples([7, 0, 7]) == [index.corpus.samples[row] for row in (7, 0, 7)]
    assert index.samples([]) == []
    with pytest.raises(UsageError, match="no sample 'line/none'"):
        index.row("line/none")
    assert {name: index.findings(name) for name in FINDINGS} == FINDINGS


def test_labels_of_a_category_come_most_frequent_first(index: SampleIndex) -> None:
    for source, category in (("line", "nut"), ("line", "plate"), ("yard", "cable")):
        counts = Counter(
            region.label
            for sample in index.corpus.samples
            if (sample.source, sample.category) == (source, category)
            for region in sample.regions
        )
        found = index.labels(source, category)
        assert set(found) == set(counts)
        assert [counts[label] for label in found] == sorted(counts.values(), reverse=True)
    assert index.labels("line", "cable") == []


def test_statistics_are_those_of_plain_counting(index: SampleIndex) -> None:
    rows = index.select(Criteria(splits=("test",)), {})
    found = index.statistics(rows)
    samples = [index.corpus.samples[row] for row in rows]
    regions = [region for sample in samples for region in sample.regions]
    bad = [sample for sample in samples if sample.anomalous]
    assert (found.samples, found.anomalous, found.regions) == (len(samples), len(bad), len(regions))
    assert found.splits == {"test": len(samples)}
    assert found.labels == Counter(region.label for region in regions)
    assert found.regions_per_image == Counter(len(sample.regions) for sample in bad)
    assert sum(row.normal + row.anomalous for row in found.categories) == len(samples)
    cable = next(row for row in found.categories if row.category == "cable")
    of_cable = [sample for sample in samples if sample.category == "cable"]
    assert (cable.source, cable.anomalous) == ("yard", sum(sample.anomalous for sample in of_cable))
    assert cable.normal == len(of_cable) - cable.anomalous
    for histogram, values in (
        (found.box_sides, [min(r.box.x2 - r.box.x1, r.box.y2 - r.box.y1) for r in regions]),
        (found.image_sides, [max(sample.size_wh) for sample in samples]),
        (found.box_sizes, [(r.box.area / np.prod(s.size_wh)) ** 0.5 for s in samples for r in s.regions]),
    ):
        assert histogram.counts == tuple(np.histogram(values, histogram.edges)[0])
        assert sum(histogram.counts) == len(values)


def test_nothing_selected_has_statistics_too(index: SampleIndex) -> None:
    found = index.statistics(index.select(Criteria(search="nowhere"), {}))
    assert (found.samples, found.regions, found.categories) == (0, 0, ())


def test_a_large_corpus_makes_no_sample_until_asked(tmp_path: Path) -> None:
    index = SampleIndex(big_corpus(tmp_path, 3000))
    rows = index.select(Criteria(labels=("kind 3",), findings=("blurry",)), {})
    assert len(rows)
    assert all("kind 3" in {region.label for region in sample.regions} for sample in index.samples(rows))
    assert "samples" not in vars(index.corpus)
