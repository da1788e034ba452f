"""Maps of experts as transparent layers over the pictures of their queries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmrad.bench import Run
from mmrad.bench.expert_runs import RunMaps, threshold_of
from mmrad.errors import DataError
from mmrad.inspectors.experts.expert import category_of
from mmrad.inspectors.experts.maps import MapValues, placed, within
from mmrad.metrics.scores import by_category
from mmrad.picture import heat_layer
from mmrad.report.thumbnails import Thumbnails
from mmrad.sample import Sample

SIDE = 96
"""Longest side of a layer in pixels; maps are smooth, and browsers enlarge them smoothly."""


def heat_layers(run: Run, samples: Sequence[Sample], thumbnails: Thumbnails) -> dict[str, str]:
    """Keys of layers in `thumbnails` by sample id, for those samples of which the run has a readable map.

    Heat begins at the median of the maps of a category, as far as they are among the samples, and turns warm
    at the expert's own (honest) threshold of pixels, see `mmrad.picture.heat`: normal parts look cool.
    """
    if threshold_of(run.info) is None:
        return {}
    maps = RunMaps.of(run)
    found: dict[str, str] = {}
    for members in by_category(samples):
        raw = {one.id: values for one in members if (values := _read(maps, one)) is not None}
        if not raw:
            continue
        low = float(np.median(np.concatenate([values.ravel() for values in raw.values()])))
        high = run.info.inspector["thresholds"][category_of(members[0])]["pixel"]
        for sample in members:
            if sample.id in raw:
                values = placed(raw[sample.id], maps.geometry, within(sample.size_wh, SIDE))
                found[sample.id] = thumbnails.add_layer(heat_layer(values, low, high))
    return found


def _read(maps: RunMaps, sample: Sample) -> MapValues | None:
    try:
        return maps.store.load(sample.id)
    except DataError:  # a picture must not cost the report
        return None
