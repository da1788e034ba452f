"""No model is judged on what it was trained on, whatever the source is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benched import Writer, right
from builders import make_corpus
from fake_anomalygpt import asked, installed, models_file
from mmrad.bench import bench
from mmrad.bench.leaks import CATEGORIES, dataset_of, refuse_seen
from mmrad.bench.protocol import Benchmark
from mmrad.bench.recipe import BenchRecipe, Entry
from mmrad.corpus import Corpus, SourceInfo, write_corpus
from mmrad.errors import UsageError
from mmrad.sample import Sample
from mmrad.sources import ADAPTERS


@pytest.mark.parametrize(
    ("adapter", "category", "dataset"),
    [
        ("mvtec", "bottle", "mvtec"),
        ("mvtec", "Metal_Nut", "mvtec"),
        ("mvtec", "flasche", "mvtec"),  # a renamed folder of it
        ("mvtec", "pcb1", "visa"),  # VisA in its layout
        ("visa", "candle", "visa"),
        ("visa-converted", "candle", "visa"),
        ("visa-converted", "kerze", "visa"),
        ("loco", "juice_bottle", "loco"),
        ("mvtec3d", "foam", "mvtec3d"),
        ("realiad", "zipper", "realiad"),  # another zipper
        ("mmad", "DS-MVTec_metal_nut", "mvtec"),
        ("mmad", "MVTec-AD_bottle", "mvtec"),
        ("mmad", "MVTec-LOCO_juice_bottle", "loco"),
        ("mmad", "VisA_pipe_fryum", "visa"),
        ("mmad", "GoodsAD_drink_bottle", "mmad"),
        ("mmr-ad", "mvtec_bottle", "mvtec"),
        ("mmr-ad", "realiad_zipper", "mmr-ad"),
        ("folder", "bottle", "folder"),  # one's own
    ],
)
def test_a_dataset_is_known_by_adapter_and_category(adapter: str, category: str, dataset: str) -> None:
    info = SourceInfo(adapter=adapter, root="raw", licence=ADAPTERS[adapter].licence)
    assert dataset_of(info, category) == dataset
    own = info.model_copy(update={"licence": "CC0-1.0"})
    assert dataset_of(own, category) is None


def test_an_adapter_of_a_test_or_of_a_newer_mmrad_is_no_dataset() -> None:
    assert dataset_of(SourceInfo(adapter="made", root="raw", licence="CC0-1.0"), "bottle") is None


def test_every_dataset_is_one_that_mmrad_reads() -> None:
    assert CATEGORIES.keys() <= ADAPTERS.keys()
    assert {name: len(categories) for name, categories in CATEGORIES.items()} == {
        "mvtec": 15, "visa": 12, "loco": 5,
    }  # fmt: skip


def corpus_of(folder: Path, **categories: tuple[str, str]) -> Corpus:
    """A corpus with one sample a source, given the adapter and the category."""
    made = make_corpus(folder / "made", 1)
    sources, samples = {}, []
    for source, (adapter, category) in categories.items():
        licence = ADAPTERS[adapter].licence
        sources[source] = SourceInfo(adapter=adapter, root=str(folder / "made/raw"), licence=licence)
        size = made.samples[0].size_wh
        samples.append(
            Sample(f"{source}/{category}/test/0", source, category, "test", "000.png", size, (), licence)
        )
    return write_corpus(folder / "corpus", sources, samples)


def test_one_that_has_seen_a_dataset_is_not_judged_on_it(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, ours=("mvtec", "bottle"), line3=("visa", "candle"))
    asked = []

    def text(sample: Sample) -> str:
        asked.append(sample.id)
        return right(sample)

    seen: dict[str, Any] = {"trained_on": {"mvtec": "train_visa"}}
    writer = Writer(text, about=seen)
    message = r"writer: was trained on MVTec AD, and ours/bottle in .* is of it: judge it by train_visa"
    with pytest.raises(UsageError, match=message):
        bench(corpus, corpus.samples, writer, tmp_path / "runs", references=0)
    assert asked == []
    assert not (tmp_path / "runs").exists()
    unseen = corpus.select(sources=["line3"])
    bench(corpus, unseen, writer, tmp_path / "runs", references=0)
    assert asked == ["line3/candle/test/0"]
    refuse_seen(corpus, corpus.samples, Writer(text))  # one that says nothing of what it has seen


@pytest.mark.parametrize(
    ("weights", "source", "instead"),
    [
        ("train_mvtec", "mvtec", "train_visa"),
        ("train_visa", "visa", "train_mvtec"),
        ("train_supervised", "mvtec", "train_visa"),
        ("train_supervised", "visa", "train_mvtec"),
        ("train_mvtec", "visa", None),
        ("train_visa", "mvtec", None),
    ],
)
def test_weights_of_anomalygpt_that_have_seen_a_source_are_refused_before_anybody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: str, source: str, instead: str | None
) -> None:
    """The sources go by other names; the one that is refused stands last in the recipe."""
    corpus = corpus_of(tmp_path, **{"from-lab": ("mvtec", "screw"), "from-shop": ("visa", "pcb2")})
    table = installed(tmp_path / "gpt", weights=weights)
    monkeypatch.setenv("MMRAD_MODELS", str(models_file(tmp_path, table)))
    only = "from-lab" if source == "mvtec" else "from-shop"
    run = Entry(model="anomalygpt-7b", references=0, sources=(only,))
    benchmark = Benchmark(corpus, BenchRecipe(runs=(run,)), tmp_path / "runs")
    if instead is None:
        [outcome] = benchmark.run()
        assert not outcome.problem
        assert outcome.run
        assert {verdict.status for verdict in outcome.run.verdicts.values()} == {"ok"}
        return
    for ask in (benchmark.run, benchmark.plan):
        with pytest.raises(UsageError, match=f"judge it by {instead}"):
            list(ask())
    assert asked(tmp_path / "gpt") == []
    assert not (tmp_path / "runs").exists()
