"""What the factory writes, the adapters read back."""

from pathlib import Path

import pytest
from scipy import ndimage

from mmrad.factory import SOURCES, factory_roots, make_factory
from mmrad.image import read_mask
from mmrad.sources import BuildResult, build_corpus


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    folder = tmp_path_factory.mktemp("factory")
    make_factory(folder / "raw", train=1, good=1, per_anomaly=1)
    return build_corpus(factory_roots(folder / "raw"), folder / "corpus")


def test_nothing_is_rejected(built: BuildResult) -> None:
    assert built.rejections == ()
    assert {sample.source for sample in built.corpus.samples} == set(SOURCES)


def test_the_licence_is_the_factory_s_own(built: BuildResult) -> None:
    assert {sample.licence for sample in built.corpus.samples} == {"CC0-1.0"}
    assert {info.licence for info in built.corpus.manifest.sources.values()} == {"CC0-1.0"}


def test_boxes_are_tight_around_their_masks(built: BuildResult) -> None:
    checked = 0
    for sample in built.corpus.samples:
        by_mask: dict[str, list[tuple[float, ...]]] = {}
        for region in sample.regions:
            assert region.mask
            by_mask.setdefault(region.mask, []).append(region.box.xyxy)
        for path, boxes in by_mask.items():
            marked = read_mask(Path(built.corpus.resolve(sample.source, path))) > 0
            left = marked.copy()
            for x1, y1, x2, y2 in (tuple(int(v) for v in box) for box in boxes):
                inside = marked[y1:y2, x1:x2]
                # Tight: every border row and column of the box has a marked pixel.
                assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
                left[y1:y2, x1:x2] = False
                checked += 1
            # What no box covers can only be specks.
            components, count = ndimage.label(left)
            assert all((components == k).sum() < 4 for k in range(1, count + 1))
    assert checked > 20
