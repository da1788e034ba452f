"""Every format writes a corpus as its reviews leave it, without building it again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from commands import run
from decisions import decision, on_text, write_reviews
from mmrad.answer import Instance, render
from mmrad.box import Box
from mmrad.cli.export import Format
from mmrad.corpus import Corpus, Reference, write_corpus
from mmrad.corpus.reviews import FILE_NAME
from mmrad.errors import DataError
from mmrad.journal import Journal
from mmrad.sample import Region, Sample
from mmrad.teach.texts import read_answers, text_path, truth_hash
from mmrad.teach.verify import CHECKS
from mmrad.view import rescale, view_size
from taught import BUDGET, GOOD, TALL, WIDE, taught_corpus

ALL = dict.fromkeys(CHECKS, True)
LEFT = (Region(Box(40, 30, 220, 80), "bent pin"), Region(Box(300, 10, 340, 60), "hole"))
"""Where a person finds the regions of `WIDE`."""


def text_for(sample: Sample) -> str:
    view_wh = view_size(sample.size_wh, BUDGET)
    places = [Instance(rescale(one.box, sample.size_wh, view_wh), one.label) for one in sample.regions]
    return render("Somebody wrote: " + ", ".join(f"{one.box.rounded()}" for one in places), places)


def refer(corpus: Corpus, *images: str) -> None:
    corpus.write_references(
        Reference(sample.id, rank, image, "aligned", 0.1)
        for sample in corpus.samples
        for rank, image in enumerate(images)
    )


def export(corpus: Corpus, to: Format, out: Path) -> str:
    options: list[object] = ["--to", to.value, "--out", out]
    if to not in _WITHOUT_VIEWS:
        options += ["--max-pixels", BUDGET.max_pixels, "--references", 1]
    return run("export", corpus.path, *options)


_WITHOUT_VIEWS = (
    Format.MMR_AD, Format.HUGGING_FACE, Format.COCO, Format.YOLO, Format.FIFTYONE, Format.LABEL_STUDIO,
    Format.CVAT, Format.MULTIPLE_CHOICE,
)  # fmt: skip


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("to", Format)
def test_it_is_what_a_corpus_that_was_always_so_exports(to: Format, tmp_path: Path) -> None:
    if to is Format.HUGGING_FACE:
        pytest.importorskip("mlcroissant")
    reviewed = taught_corpus(tmp_path / "reviewed")
    refer(reviewed, "tall.jpg", "good.png")
    samples = {sample.id: sample for sample in reviewed.samples}
    wide = replace(samples[WIDE], regions=LEFT)
    (answer,) = read_answers(text_path(reviewed, "somebody"))[WIDE]
    write_reviews(
        reviewed.path,
        decision(samples[TALL], outcome="drop"),
        decision(samples[WIDE], LEFT, text=on_text(answer["text"], True, text_for(wide), ALL)),
        decision(samples[GOOD]),
    )

    always = taught_corpus(tmp_path / "always")
    left = [wide if key == WIDE else sample for key, sample in samples.items() if key != TALL]
    always = write_corpus(always.path, always.manifest.sources, left)
    refer(always, "good.png")
    with Journal(text_path(always, "somebody")) as journal:
        new = {"text": text_for(wide), "checks": ALL, "truth": truth_hash(wide)}
        journal.append({**answer, **new})

    told = export(reviewed, to, tmp_path / "out" / "reviewed")
    export(always, to, tmp_path / "out" / "always")
    assert "reviews: 1 samples kept as they were, 1 edited, 1 dropped, 0 not decided" in told
    found, expected = (content(tmp_path / "out" / name) for name in ("reviewed", "always"))
    assert sorted(found) == sorted(expected)
    assert [name for name in found if found[name] != expected[name]] == []
    assert found != content_without_reviews(reviewed, to, tmp_path / "out" / "built")


def content_without_reviews(corpus: Corpus, to: Format, out: Path) -> dict[str, bytes]:
    (corpus.path / FILE_NAME).unlink()
    export(corpus, to, out)
    return content(out)


def test_reviews_that_cannot_be_applied_are_told_and_the_export_goes_on(tmp_path: Path) -> None:
    corpus = taught_corpus(tmp_path / "corpus")
    samples = {sample.id: sample for sample in corpus.samples}
    stale = replace(samples[WIDE], regions=LEFT)
    gone = replace(samples[WIDE], id="made/nut/train/gone")
    write_reviews(corpus.path, decision(stale, ()), decision(gone, ()))
    told = export(corpus, Format.COCO, tmp_path / "out")
    assert "1 samples have other regions than their reviewers saw" in told
    assert "1 samples are not in the corpus" in told
    assert "wrote 6 samples" in told


def test_a_sample_whose_references_are_all_gone_is_named_by_what_needs_one(tmp_path: Path) -> None:
    corpus = taught_corpus(tmp_path / "corpus")
    samples = {sample.image: sample for sample in corpus.samples}
    write_reviews(corpus.path, decision(samples["same.png"], outcome="drop"))
    with pytest.raises(DataError, match=f"no reference left.*{GOOD}"):
        export(corpus, Format.TRL, tmp_path / "trl")
    assert "wrote 5 samples" in export(corpus, Format.COCO, tmp_path / "coco")


def test_a_damaged_file_of_reviews_stops_the_export(tmp_path: Path) -> None:
    corpus = taught_corpus(tmp_path / "corpus")
    (corpus.path / FILE_NAME).write_text("nonsense\n")
    with pytest.raises(DataError, match=r"reviews\.jsonl, line 1"):
        export(corpus, Format.COCO, tmp_path / "out")
