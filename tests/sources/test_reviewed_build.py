"""A build of a corpus that people have reviewed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import trees
from PIL import Image

from decisions import decision, write_reviews
from mmrad.box import Box
from mmrad.corpus import Corpus, ReviewedCorpus
from mmrad.corpus.reviews import FILE_NAME
from mmrad.curate.selection import Selection
from mmrad.errors import DataError
from mmrad.sample import Region, Sample
from mmrad.sources import build_corpus, pipeline
from mmrad.sources.build import BuildResult

DENT = Region(Box(3, 4, 20, 12), "dent")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Six good images, the first stored twice, and two bent ones with masks; none is square."""
    root = tmp_path / "raw"
    for name, seed in [*((f"train/good/{n}.png", n) for n in range(6)), ("train/good/copy.png", 0),
                       ("test/bent/7.png", 7), ("test/bent/8.png", 8)]:  # fmt: skip
        blocks = np.kron(np.random.default_rng(seed).integers(20, 235, (12, 16)), np.ones((12, 12)))
        path = root / "nut" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(blocks.astype(np.uint8)).convert("RGB").save(path)
    for number in (7, 8):
        trees.mask(root / f"nut/ground_truth/bent/{number}_mask.png", size=(192, 144))
    return root


def build(raw: Path, **options: object) -> BuildResult:
    return build_corpus({"m": ("mvtec", raw)}, raw.parent / "c", selection=Selection(**options))  # type: ignore[arg-type]


def named(corpus: Corpus) -> dict[str, Sample]:
    return {sample.id.rpartition("/")[2]: sample for sample in corpus.samples}


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_samples_are_built_as_people_left_them_and_built_again_alike(raw: Path) -> None:
    built = build(raw).corpus
    before = named(built)
    write_reviews(
        built.path,
        decision(before["bent-7"], (DENT,)),
        decision(before["bent-8"], ()),
        decision(before["good-1"], outcome="drop"),
        decision(before["good-2"]),
    )
    reviews = (built.path / FILE_NAME).read_bytes()
    result = build(raw)
    after = named(result.corpus)
    assert after["bent-7"].regions == (DENT,)
    assert after["bent-8"].regions == ()
    assert set(before) - set(after) == {"good-1"}
    info = result.corpus.manifest.sources["m"]
    assert (info.images, info.anomalous) == (8, 1)
    (rejection,) = result.rejections
    assert (rejection.path, rejection.reason) == ("nut/train/good/1.png", "dropped in review: blurred")
    assert json.loads((built.path / "rejections.jsonl").read_text())["reason"] == rejection.reason
    assert set(result.corpus.quality("m")["id"].to_pylist()) == {sample.id for sample in after.values()}
    assert result.decisions.describe() == [
        "reviews: 1 samples kept as they were, 2 edited, 1 dropped, 0 not decided"
    ]

    once = content(built.path)
    assert once[FILE_NAME] == reviews
    assert build(raw).decisions == result.decisions
    assert content(built.path) == once
    # Its reviews say nothing new of a corpus that was built with them.
    assert ReviewedCorpus(built.path).samples == result.corpus.samples
    assert ReviewedCorpus(built.path).decisions.missing == ()


def test_whole_and_other_numbers_are_the_same_boxes(raw: Path) -> None:
    built = build(raw).corpus
    hashes = set()
    for box in (Box(3, 4, 20, 12), Box(3.0, 4.0, 20.0, 12.0)):
        write_reviews(built.path, decision(named(built)["bent-7"], (Region(box, "dent"),)))
        hashes.add(build(raw).corpus.manifest.sources["m"].samples_sha256)
        (built.path / FILE_NAME).unlink()
    assert len(hashes) == 1


def test_no_image_is_opened_for_a_review(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = build(raw).corpus
    write_reviews(built.path, decision(named(built)["bent-7"], (DENT,)))
    monkeypatch.setattr(pipeline, "examine", lambda *_: pytest.fail("an image was read again"))
    assert named(build(raw).corpus)["bent-7"].regions == (DENT,)


def test_of_two_copies_the_one_that_was_not_dropped_stays(raw: Path) -> None:
    built = build(raw).corpus
    write_reviews(built.path, decision(named(built)["good-0"], outcome="drop"))
    after = named(build(raw, drop=("exact_duplicate",)).corpus)
    assert "good-copy" in after and "good-0" not in after


def test_a_selection_draws_among_what_was_not_dropped_and_by_the_new_truth(raw: Path) -> None:
    built = build(raw).corpus
    first = build(raw, per_category=4).corpus
    drawn = next(sample for sample in first.samples if not sample.anomalous)
    write_reviews(
        built.path,
        decision(drawn, outcome="drop"),
        *(decision(sample, ()) for sample in first.samples if sample.anomalous),
    )
    again = build(raw, per_category=4).corpus
    assert len(again.samples) == 4
    assert drawn.id not in {sample.id for sample in again.samples}
    assert not any(sample.anomalous for sample in again.samples)


def test_raw_data_that_changed_makes_reviews_stale_and_they_are_named(raw: Path) -> None:
    built = build(raw).corpus
    before = named(built)
    write_reviews(built.path, decision(before["bent-7"], (DENT,)), decision(before["bent-8"], (DENT,)))
    assert build(raw).decisions.stale == ()
    trees.mask(raw / "nut/ground_truth/bent/7_mask.png", (1, 2, 30, 40, 255), size=(192, 144))
    result = build(raw)
    after = named(result.corpus)
    assert after["bent-7"].regions[0].box.xyxy == (1, 2, 30, 40)
    assert after["bent-8"].regions == (DENT,)
    assert result.decisions.stale == (before["bent-7"].id,)
    assert before["bent-7"].id in result.decisions.describe()[1]

    # Somebody looks again; what they leave is built from then on.
    write_reviews(built.path, decision(after["bent-7"], (DENT,), number=2))
    result = build(raw)
    assert result.decisions.stale == ()
    assert named(result.corpus)["bent-7"].regions == (DENT,)


def test_raw_images_that_are_gone_leave_their_reviews_unused(raw: Path) -> None:
    built = build(raw).corpus
    gone = named(built)["good-3"]
    write_reviews(built.path, decision(gone))
    (raw / "nut/train/good/3.png").unlink()
    assert build(raw).decisions.missing == (gone.id,)


def test_where_all_was_dropped_the_error_says_so(raw: Path) -> None:
    built = build(raw).corpus
    write_reviews(built.path, *(decision(sample, outcome="drop") for sample in built.samples))
    with pytest.raises(
        DataError, match=r"nothing to write: 9 files were rejected.*dropped in review: blurred"
    ):
        build(raw)


def test_a_damaged_file_of_reviews_is_said_before_anything_is_done(raw: Path) -> None:
    built = build(raw).corpus
    before = content(built.path)
    (built.path / FILE_NAME).write_text("{}\n")
    with pytest.raises(
        DataError, match=r"reviews\.jsonl, line 1: not a review.*restore the line or remove it"
    ):
        build(raw)
    assert content(built.path) == before | {FILE_NAME: b"{}\n"}


def test_dropped_images_are_given_as_no_reference(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    first = build_corpus({"pcb": ("mmr-ad", published(root))}, tmp_path / "c").corpus
    dropped = next(sample for sample in first.samples if sample.image.endswith("train_good/a.png"))
    assert any(dropped.image in sample.given_references for sample in first.samples)
    write_reviews(first.path, decision(dropped, outcome="drop"))
    samples = build_corpus({"pcb": ("mmr-ad", root)}, tmp_path / "c").corpus.samples
    (query,) = [sample for sample in samples if sample.given_references]
    assert [Path(image).name for image in query.given_references] == ["b.png"]


def published(root: Path) -> Path:
    """MMR-AD's own layout: the only one that names references which are samples themselves."""
    folder = root / "own" / "nut"
    for name in ("train_good/a.png", "train_good/b.png", "test_good/c.png"):
        trees.image(folder / name)
    trees.text(folder / "bbox_annos.json", "{}")
    trees.text(folder / "text_annos.json", "{}")
    references = {"test_good/c.png": ["train_good/a.png", "train_good/b.png"]}
    trees.text(folder / "reference.json", json.dumps(references))
    return root
