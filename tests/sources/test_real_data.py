"""The real images that this project's machines may have; none is committed."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from mmrad.curate.selection import Selection
from mmrad.image import read_image
from mmrad.sources import build_corpus

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.skipif(not (DATA / "deeppcb").is_dir(), reason="the DeepPCB images are not on this machine")
def test_deeppcb_boxes_sit_on_the_differences(tmp_path: Path) -> None:
    result = build_corpus(
        {"d": ("deeppcb", DATA / "deeppcb")}, tmp_path / "c", selection=Selection(per_category=6)
    )
    assert {item.reason for item in result.rejections} == {"not among the 6 drawn of its category"}
    corpus = result.corpus
    anomalous = [sample for sample in corpus.samples if sample.anomalous]
    on_differences = 0
    for sample in anomalous:
        query = read_image(corpus.resolve("d", sample.image)).astype(int)
        template = read_image(corpus.resolve("d", sample.given_references[0])).astype(int)
        # Opening takes away the thin rims along the copper that differ between any two scans.
        differs = ndimage.binary_opening(np.abs(query - template).max(axis=2) > 127, np.ones((3, 3)))
        boxed = np.zeros_like(differs)
        for region in sample.regions:
            x1, y1, x2, y2 = region.box.rounded()
            boxed[y1:y2, x1:x2] = True
        on_differences += differs[boxed].mean() > 10 * differs[~boxed].mean()
    # A few boards were scanned some pixels beside their template, and differ along every edge.
    assert len(anomalous) == 12
    assert on_differences >= 9


@pytest.mark.skipif(not (DATA / "cookies").is_dir(), reason="the cookie images are not on this machine")
def test_cookies_sorted_into_folders(tmp_path: Path) -> None:
    root = tmp_path / "cookies"
    for kind, folder in (("normal", "good"), ("anomaly", "crack")):
        (root / folder).mkdir(parents=True)
        for path in sorted((DATA / "cookies" / "training-images").glob(f"{kind}-*.jpg")):
            (root / folder / path.name).symlink_to(path.resolve())
    (root / "masks").symlink_to((DATA / "cookies" / "mask-images").resolve())
    result = build_corpus({"cookies": ("folder", root)}, tmp_path / "c")
    assert result.rejections == ()
    samples = result.corpus.samples
    assert (sum(not s.anomalous for s in samples), sum(s.anomalous for s in samples)) == (31, 32)


@pytest.mark.skipif(not (DATA / "bsdata").is_dir(), reason="the ball-screw images are not on this machine")
def test_bsdata_outlines_are_in_their_images_and_early_frames_are_references(tmp_path: Path) -> None:
    result = build_corpus({"b": ("bsdata", DATA / "bsdata")}, tmp_path / "c")
    samples = result.corpus.samples
    assert sum(sample.anomalous for sample in samples) == 117
    assert {region.label for sample in samples for region in sample.regions} == {"pitting"}
    assert len(samples) + len(result.rejections) == 345
    assert all("perhaps worn" in item.reason for item in result.rejections)
    good = {sample.category for sample in samples if not sample.anomalous}
    assert {sample.category for sample in samples} == good
