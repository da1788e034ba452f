"""Runs of expert detectors: how their thresholds were chosen, and the maps that their boxes come from.

RUNS/NAME/          an expert's run: thresholds from normal images held out of its training ("honest")
RUNS/NAME/maps/     its raw maps, see `mmrad.inspectors.experts.maps`
RUNS/NAME-oracle/   the same maps under thresholds chosen on the test labels, see `mmrad.bench.oracle`
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmrad.bench.records import verdict_to_record
from mmrad.bench.run import Run, RunInfo
from mmrad.errors import DataError
from mmrad.features import Geometry
from mmrad.files import file_name
from mmrad.inspectors.experts.maps import MapStore, MapValues, placed
from mmrad.metrics import scorer_hash, task_hash
from mmrad.sample import Sample

MAPS = "maps"
"""Folder of the maps in that of a run."""

Threshold = Literal["honest", "oracle"]


def threshold_of(info: RunInfo) -> Threshold | None:
    """How an expert's thresholds were chosen; None for an inspector that has none."""
    found = info.about.get("threshold")
    return found if found in ("honest", "oracle") else None


def origin_of(run: Run) -> Path:
    """Folder of the run that an oracle run is derived from; of any other run its own."""
    if threshold_of(run.info) != "oracle":
        return run.path
    return run.path.with_name(file_name(run.info.about["derived_from"]))


@dataclass(frozen=True, slots=True)
class RunMaps:
    """The maps of an expert's run.

    Attributes:
        store: Where they lie.
        geometry: What the expert saw of an image.
    """

    store: MapStore
    geometry: Geometry

    @classmethod
    def of(cls, run: Run) -> RunMaps:
        """The maps of a run, or of the one that it is derived from.

        Raises:
            DataError: When the run does not say what its expert saw of an image.
        """
        try:
            geometry = Geometry(**run.info.inspector["geometry"])
        except (KeyError, TypeError) as error:
            raise DataError(
                f"{run.path}: does not tell the geometry of its maps ({error!r}); bench it again"
            ) from error
        return cls(MapStore(origin_of(run) / MAPS), geometry)

    def placed(self, sample: Sample) -> MapValues:
        """The map of a sample, laid over its image: shape `(height, width)` of the original.

        Raises:
            DataError: When it is missing or damaged.
        """
        return placed(self.store.load(sample.id), self.geometry, sample.size_wh)


def state_of(run: Run) -> str:
    """Sixteen hex digits that stand for a run's verdicts, the truth, and the definitions of the figures.

    What was computed from all of them is out of date when this has changed.
    """
    said = {sample_id: verdict_to_record(verdict) for sample_id, verdict in run.verdicts.items()}
    content = json.dumps([scorer_hash(), task_hash(run.samples), said], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
