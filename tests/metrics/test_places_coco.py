"""Recall by size against COCO's evaluation, on queries of one place, where both match alike."""

from __future__ import annotations

import contextlib
import io
from itertools import pairwise

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmrad.box import Box
from mmrad.metrics import IOU_THRESHOLDS, by_size
from mmrad.metrics.places import SIZES
from mmrad.sample import Region, Sample, Verdict

SIDE = 1000


def _box(rng: np.random.Generator) -> Box:
    width, height = 10 ** rng.uniform(0.5, 2.8, 2)
    x, y = rng.uniform(0, SIDE - width), rng.uniform(0, SIDE - height)
    return Box(x, y, x + width, y + height)


def _coco(image: int, box: Box) -> dict[str, object]:
    corners = [box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1]
    return {"image_id": image, "category_id": 1, "bbox": corners, "area": box.area, "iscrowd": 0}


def test_recall_by_size_is_that_of_coco() -> None:
    rng = np.random.default_rng(0)
    samples, verdicts, true, found = [], {}, [], []
    for i in range(300):
        box = _box(rng)
        sample = Sample(
            f"p/c/test/{i}", "p", "c", "test", f"{i}.png", (SIDE, SIDE), (Region(box, "dent"),), ""
        )
        samples.append(sample)
        true.append({"id": i + 1, **_coco(i + 1, box)})
        if rng.random() < 0.8:
            shift = rng.uniform(0, 1.2) * (box.x2 - box.x1)
            moved = box.shifted(shift, 0)
            verdicts[sample.id] = Verdict(True, (Region(moved, "x"),), "", "", None, "ok")
            found.append({"score": 0.5, **_coco(i + 1, moved)})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": i + 1} for i in range(300)],
            "categories": [{"id": 1}],
            "annotations": true,
        }
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        ends = [0, *(min(end, 1) * SIDE * SIDE for end in SIZES.values())]
        evaluation.params.areaRng = [list(pair) for pair in pairwise(ends)]
        evaluation.params.areaRngLbl = list(SIZES)
        evaluation.params.iouThrs = np.array(IOU_THRESHOLDS)
        evaluation.evaluate()
        evaluation.accumulate()
    recall = evaluation.eval["recall"][:, 0, :, -1]
    groups = by_size(samples, verdicts, resamples=2)
    assert min(group.places for group in groups) > 5
    ours = [[g.figures[f"iou{t}_recall"].value for g in groups] for t in IOU_THRESHOLDS]
    np.testing.assert_allclose(np.array(ours, dtype=float), recall)
    assert len(np.unique(recall)) > 6
