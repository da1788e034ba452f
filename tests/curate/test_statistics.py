from __future__ import annotations

import json
import math
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mmrad.box import Box
from mmrad.corpus import Corpus, SourceInfo, write_corpus
from mmrad.curate.statistics import Composition, count_corpus
from mmrad.errors import DataError
from mmrad.sample import Region, Sample


def sample(name: str, *regions: tuple[tuple[int, int, int, int], str], size_wh=(100, 400)) -> Sample:
    source, category, stem = name.split("/")
    truth = tuple(Region(Box(*box), label) for box, label in regions)
    return Sample(
        f"{source}/{category}/test/{stem}", source, category, "test", "x.png", size_wh, truth, "CC0"
    )


def corpus_of(folder: Path, samples: list[Sample]) -> Corpus:
    sources = {s.source: SourceInfo(adapter="mvtec", root="raw", licence="CC0") for s in samples}
    return write_corpus(folder, sources, samples)


SAMPLES = [
    sample("a/nut/1"),
    sample("a/nut/2", ((0, 0, 20, 20), "dent"), ((0, 0, 1, 4), "scratch")),
    sample("a/bolt/1", ((10, 100, 60, 300), "dent")),
    sample("b/nut/1", ((0, 0, 100, 400), "dent")),
    sample("b/nut/2"),
    sample("b/nut/3"),
]


def test_a_small_corpus_counted_by_hand(tmp_path: Path) -> None:
    counted = count_corpus(corpus_of(tmp_path, SAMPLES), [], None)
    first, second = counted.sources
    assert first == Composition("a", 3, 1, 2, 0, 0, categories=2, anomaly_types=2, anomalies=3)
    assert second == Composition("b", 3, 2, 1, 0, 0, categories=1, anomaly_types=1, anomalies=1)
    # A label that two sources have counts twice in the sum, as in Table 1.
    assert counted.total == Composition("SUM", 6, 3, 3, 0, 0, categories=3, anomaly_types=3, anomalies=4)
    assert counted.box_sizes.tolist() == [20 / 200, 2 / 200, 100 / 200, 1.0]
    assert counted.boxes_per_image.tolist() == [2, 1, 1]
    assert counted.boxes_per_image_histogram() == {1: 2, 2: 1}
    rows = [(row.source, row.category, row.normal, row.anomalous) for row in counted.categories]
    assert rows == [("b", "nut", 2, 1), ("a", "nut", 1, 1), ("a", "bolt", 0, 1)]


def test_the_box_size_histogram_holds_every_box(tmp_path: Path) -> None:
    tiny = sample("a/nut/3", ((0, 0, 1, 1), "speck"), size_wh=(4000, 4000))
    edges, counts = count_corpus(corpus_of(tmp_path, [*SAMPLES, tiny]), [], None).box_size_histogram()
    assert counts.sum() == 5
    assert counts[0] == 1
    assert counts[-1] == 1
    where = np.searchsorted(edges, 0.5) - 1
    assert counts[where] == 1


def test_a_corpus_without_anomalies_or_samples_in_a_source(tmp_path: Path) -> None:
    sources = {name: SourceInfo(adapter="visa", root="raw", licence="CC0") for name in ("a", "empty")}
    counted = count_corpus(write_corpus(tmp_path, sources, SAMPLES[:1]), [], None)
    assert counted.sources[1] == Composition("empty", 0, 0, 0, 0, 0, 0, 0, 0)
    assert counted.total.images == 1
    assert counted.boxes_per_image_histogram() == {}
    assert counted.box_size_histogram()[1].sum() == 0


def test_it_agrees_with_a_count_sample_by_sample(tmp_path: Path) -> None:
    rng = random.Random(5)
    samples = [
        sample(
            f"s{rng.randrange(3)}/c{rng.randrange(5)}/{number}",
            *(
                ((x, y, x + rng.randrange(1, 40), y + rng.randrange(1, 40)), f"label {rng.randrange(9)}")
                for x, y in [(rng.randrange(60), rng.randrange(300))] * rng.randrange(4)
            ),
            size_wh=(rng.randrange(100, 300), rng.randrange(400, 600)),
        )
        for number in range(400)
    ]
    corpus = corpus_of(tmp_path, samples)
    counted = count_corpus(corpus, [], None)
    for row in counted.sources:
        mine = [s for s in corpus.samples if s.source == row.name]
        labels = [region.label for s in mine for region in s.regions]
        assert row.images == len(mine)
        assert row.normal == sum(not s.anomalous for s in mine)
        assert row.anomalous == sum(s.anomalous for s in mine)
        assert row.categories == len({s.category for s in mine})
        assert (row.anomaly_types, row.anomalies) == (len(set(labels)), len(labels))
    sizes = [
        math.sqrt((r.box.x2 - r.box.x1) * (r.box.y2 - r.box.y1)) / math.sqrt(s.size_wh[0] * s.size_wh[1])
        for s in corpus.samples
        for r in s.regions
    ]
    assert counted.box_sizes.tolist() == pytest.approx(sizes)
    assert counted.boxes_per_image_histogram() == Counter(len(s.regions) for s in samples if s.regions)
    assert {(row.source, row.category, row.normal + row.anomalous) for row in counted.categories} == {
        (*key, count) for key, count in Counter((s.source, s.category) for s in samples).items()
    }


def words(texts) -> int:
    return sum(len(text.split()) for text in texts)


def test_text_tokens_are_those_of_the_samples_of_the_corpus(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, SAMPLES)
    texts = [
        ("a/nut/test/1", "one two three"),
        ("a/nut/test/1", "by another teacher"),
        ("a/nut/test/2", "four words are here"),
        ("gone/nut/test/1", "of a sample that is gone"),
    ]
    first, second = count_corpus(corpus, texts, words).sources
    assert (first.with_text, first.text_tokens, first.tokens_per_sample) == (2, 10, 5.0)
    assert (second.with_text, second.text_tokens, second.tokens_per_sample) == (0, 0, None)


def test_texts_without_a_tokenizer_are_unknown_not_none(tmp_path: Path) -> None:
    counted = count_corpus(corpus_of(tmp_path, SAMPLES), [("a/nut/test/1", "one two")], None)
    assert [row.text_tokens for row in counted.sources] == [None, 0]
    assert counted.total.text_tokens is None
    assert counted.total.with_text == 1
    assert counted.total.tokens_per_sample is None


def test_a_damaged_corpus_is_refused(tmp_path: Path) -> None:
    corpus_of(tmp_path, SAMPLES)
    manifest = json.loads((tmp_path / "corpus.json").read_text())
    manifest["sources"]["a"]["images"] = 7
    (tmp_path / "corpus.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=r"a\.parquet.*3 samples.*says 7"):
        count_corpus(Corpus(tmp_path), [], None)
