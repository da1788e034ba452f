"""COCO: read by pycocotools, and back by the adapter for folders."""

import json
from pathlib import Path

import numpy as np
import pytest
from annotated import MARKED, annotated_corpus, boxes_of, same_image
from pycocotools.coco import COCO

from mmrad.corpus import Corpus
from mmrad.errors import UsageError
from mmrad.export.coco import export_coco
from mmrad.image import read_mask
from mmrad.sources import build_corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return annotated_corpus(tmp_path / "corpus")


def load(out: Path, split: str) -> COCO:
    return COCO(str(out / "annotations" / f"{split}.json"))


def test_pycocotools_reads_every_split_with_the_same_boxes_and_pixels(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export_coco(corpus, out) == 5
    for split in ("train", "validation", "test"):
        coco = load(out, split)
        samples = {sample.id: sample for sample in corpus.select(splits=[split])}
        assert {image["sample_id"] for image in coco.imgs.values()} == set(samples)
        for image in coco.imgs.values():
            sample = samples[image["sample_id"]]
            assert (image["width"], image["height"]) == sample.size_wh
            found = []
            for annotation in coco.imgToAnns[image["id"]]:
                x, y, width, height = annotation["bbox"]
                label = coco.cats[annotation["category_id"]]["name"]
                found.append((label, (x, y, x + width, y + height)))
                assert annotation["iscrowd"] == 0
            assert found == boxes_of(sample)
            assert same_image(corpus, sample, out / "images" / split / image["file_name"])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_mask_is_a_segmentation_inside_its_box(corpus: Corpus, tmp_path: Path) -> None:
    export_coco(corpus, tmp_path / "out")
    coco = load(tmp_path / "out", "test")
    (annotation,) = (a for a in coco.anns.values() if "segmentation" in a)
    expected = read_mask(corpus.resolve("own", "mask.png")) > 0
    expected[:, :30] = expected[:, 50:] = False
    assert (coco.annToMask(annotation) == expected).all()
    assert annotation["area"] == MARKED == np.count_nonzero(expected)
    assert {a["area"] for a in coco.anns.values() if "segmentation" not in a} == {29 * 31, 84 * 56}


def test_ids_are_unique_and_positive_and_the_rest_is_kept(corpus: Corpus, tmp_path: Path) -> None:
    export_coco(corpus, tmp_path / "out")
    files = [json.loads(path.read_text()) for path in (tmp_path / "out" / "annotations").iterdir()]
    annotations = [annotation["id"] for file in files for annotation in file["annotations"]]
    images = [image for file in files for image in file["images"]]
    assert sorted(annotations) == [1, 2, 3, 4, 5]
    assert sorted(image["id"] for image in images) == [1, 2, 3, 4, 5]
    assert len({json.dumps(file["categories"]) for file in files}) == 1
    assert {(i["source"], i["category"], i["license"]) for i in images} == {("own", "nut & bolt", 1)}
    assert all(file["licenses"] == [{"id": 1, "name": "CC BY 4.0"}] for file in files)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_the_folder_adapter_reads_it_back(corpus: Corpus, tmp_path: Path, split: str) -> None:
    out, root = tmp_path / "out", tmp_path / "nut"
    export_coco(corpus, out)
    root.mkdir()
    (root / "images").symlink_to(out / "images" / split)
    (root / "annotations.json").symlink_to(out / "annotations" / f"{split}.json")
    result = build_corpus({"again": ("folder", root)}, tmp_path / "again")
    assert result.rejections == ()
    again = sorted(boxes_of(sample) for sample in result.corpus.samples)
    assert again == sorted(boxes_of(sample) for sample in corpus.select(splits=[split]))


def test_a_folder_that_is_not_empty_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(UsageError, match="not empty"):
        export_coco(corpus, tmp_path)
    with pytest.raises(UsageError, match="not empty"):
        export_coco(corpus, tmp_path / "mine.txt")
    assert (tmp_path / "mine.txt").read_text() == "keep me"
