import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmrad.box import Box
from mmrad.corpus import Corpus, Reference, SourceInfo, write_corpus
from mmrad.errors import DataError, UsageError
from mmrad.sample import Region, Sample

NORMAL = Sample(
    "mvtec/nut/test/0", "mvtec", "nut", "test", "nut/test/good/0.png", (30, 20), (), "CC BY-NC-SA 4.0"
)
BAD = replace(
    NORMAL,
    id="mvtec/nut/test/1",
    image="nut/test/scratch/1.png",
    regions=(Region(Box(1, 2, 3, 4), "Kratzer 划", "gt/1.png"), Region(Box(0, 0, 30, 20), "bent")),
    provenance="nut/ground_truth/1.png",
)
OTHER = replace(
    NORMAL,
    id="goods/pill/train/0",
    source="goods",
    category="pill",
    split="train",
    given_references=("a.png", "b.png"),
)
SAMPLES = [NORMAL, BAD, OTHER]
SOURCES = {
    "mvtec": SourceInfo(adapter="mvtec", root="/data/mvtec", licence="CC BY-NC-SA 4.0"),
    "goods": SourceInfo(adapter="goods", root="../goods", licence="CC BY 4.0"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus", SOURCES, SAMPLES).path


def edit_manifest(folder: Path, **changes: Any) -> None:
    path = folder / "corpus.json"
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def test_samples_come_back_as_they_were(folder: Path) -> None:
    corpus = Corpus(folder)
    assert corpus.samples == SAMPLES
    infos = corpus.manifest.sources
    assert [(info.images, info.anomalous) for info in infos.values()] == [(2, 1), (1, 0)]


def test_the_hash_follows_the_samples_only(tmp_path: Path, folder: Path) -> None:
    def hashes(path: Path, samples: list[Sample]) -> list[str]:
        moved = {name: info.model_copy(update={"root": "/else"}) for name, info in SOURCES.items()}
        return [info.samples_sha256 for info in write_corpus(path, moved, samples).manifest.sources.values()]

    first = [info.samples_sha256 for info in Corpus(folder).manifest.sources.values()]
    assert hashes(tmp_path / "same", SAMPLES) == first
    changed = hashes(tmp_path / "other", [NORMAL, replace(BAD, regions=BAD.regions[:1]), OTHER])
    assert changed[0] != first[0] and changed[1] == first[1]


def test_selecting(folder: Path) -> None:
    corpus = Corpus(folder)
    assert corpus.select() == SAMPLES
    assert corpus.select(sources=["goods"]) == [OTHER]
    assert corpus.select(categories=["nut"], splits=["test"]) == [NORMAL, BAD]
    assert corpus.select(categories=["nut"], splits=["train"]) == []
    for wrong in ({"sources": ["visa"]}, {"categories": ["bolt"]}, {"splits": ["dev"]}):
        with pytest.raises(UsageError, match=next(iter(wrong.values()))[0]):
            corpus.select(**wrong)


def test_moving_a_root_is_one_edit(folder: Path) -> None:
    assert Corpus(folder).resolve("mvtec", BAD.image) == Path("/data/mvtec") / BAD.image
    assert Corpus(folder).root("goods") == folder.parent.resolve() / "goods"
    text = (folder / "corpus.json").read_text()
    assert text.count("/data/mvtec") == 1
    (folder / "corpus.json").write_text(text.replace("/data/mvtec", "/new/place"))
    assert Corpus(folder).resolve("mvtec", BAD.image) == Path("/new/place") / BAD.image
    assert Corpus(folder).samples == SAMPLES


def test_references_are_ranked_and_paired(folder: Path) -> None:
    corpus = Corpus(folder)
    assert corpus.references == {}
    with pytest.raises(DataError, match=r"mvtec/nut/test/1 has no reference; run  mmrad reference"):
        corpus.pairs([BAD])
    best, second = (
        Reference(BAD.id, rank, f"nut/train/good/{rank}.png", "aligned", 0.5 + rank) for rank in (0, 1)
    )
    corpus.write_references([second, best])
    for opened in (corpus, Corpus(folder)):
        assert opened.references == {BAD.id: (best, second)}
        (pair,) = opened.pairs([BAD], references=2)
        assert pair.image == Path("/data/mvtec") / BAD.image
        assert pair.references == tuple(Path("/data/mvtec") / one.image for one in (best, second))
    assert corpus.pairs([NORMAL], references=0)[0].references == ()


def test_building_again_drops_references_and_keeps_texts(folder: Path) -> None:
    Corpus(folder).write_references([Reference(BAD.id, 0, "a.png", "given", 0.0)])
    (folder / "texts").mkdir()
    (folder / "texts" / "t.jsonl").write_text("{}\n")
    corpus = write_corpus(folder, SOURCES, SAMPLES)
    assert corpus.references == {} and (folder / "texts" / "t.jsonl").exists()


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([], "no samples"),
        ([NORMAL, BAD, replace(BAD, image="x.png")], r"id 'mvtec/nut/test/1' \(x\.png\)"),
        ([replace(NORMAL, source="visa")], "'visa' is none of"),
    ],
)
def test_what_cannot_be_a_corpus_is_refused(tmp_path: Path, samples: list[Sample], message: str) -> None:
    with pytest.raises(DataError, match=message):
        write_corpus(tmp_path / "corpus", SOURCES, samples)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("version", "message"),
    [(3, "newer than this mmrad"), (0, "schema 0"), (None, "schema None"), ("1", "schema '1'")],
)
def test_other_schemas_are_refused(folder: Path, version: object, message: str) -> None:
    edit_manifest(folder, schema_version=version)
    with pytest.raises(DataError, match=rf"corpus\.json: .*{message}"):
        Corpus(folder)


def test_damaged_manifests_are_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DataError, match=r"not a corpus.*mmrad build"):
        Corpus(tmp_path)
    edit_manifest(folder, sources={"mvtec": {"adapter": "mvtec"}})
    with pytest.raises(DataError, match=r"corpus\.json: not a corpus manifest"):
        Corpus(folder)
    for content in ("{", "[]", ""):
        (folder / "corpus.json").write_text(content)
        with pytest.raises(DataError, match=r"corpus\.json"):
            Corpus(folder)


def test_damaged_tables_are_named(folder: Path) -> None:
    path = folder / "samples" / "mvtec.parquet"
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], (folder / "samples" / "goods.parquet").read_bytes()):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"mvtec\.parquet: .*build the corpus again"):
            _ = Corpus(folder).samples
    path.unlink()
    with pytest.raises(DataError, match=r"mvtec\.parquet: unreadable"):
        _ = Corpus(folder).samples


def test_a_table_of_another_kind_is_refused(folder: Path) -> None:
    Corpus(folder).write_references([])
    (folder / "references.parquet").rename(folder / "samples" / "goods.parquet")
    with pytest.raises(DataError, match=r"goods\.parquet: columns are"):
        _ = Corpus(folder).samples


def test_schema_1_is_still_read(folder: Path) -> None:
    content = json.loads((folder / "corpus.json").read_text())
    del content["selection"]
    (folder / "corpus.json").write_text(json.dumps(content | {"schema_version": 1}))
    opened = Corpus(folder)
    assert opened.samples == SAMPLES
    assert opened.manifest.selection == {}
