"""Hints for a model from an expert's run: places, and whether the expert raises an alarm.

Of an alarm the places are those of its verdict. Without one they are the strongest of the map all the same:
if only alarms came with places, the hint would be the verdict, and nothing would point a model to what the
expert has seen and let pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmrad.bench.expert_runs import RunMaps, threshold_of
from mmrad.bench.run import Run
from mmrad.box import Box
from mmrad.corpus import Corpus
from mmrad.errors import UsageError
from mmrad.inspectors.base import HintsAs, InspectionSettings
from mmrad.inspectors.experts.maps import placed, within
from mmrad.inspectors.experts.places import top_places
from mmrad.prompt import Hint
from mmrad.sample import Sample

PLACES = 3
"""The most places that are told of a query."""

_SIDE = 512
"""Maps are searched at no more than this many pixels a side; experts see less than that of most images."""


@dataclass(frozen=True, slots=True)
class ExpertHints:
    """What an expert says of the queries of its run.

    Attributes:
        run: The run's folder.
        expert: Its name.
        hints: By sample id.
        without: Ids of the queries it says nothing of: it could not judge them, or its map is flat.
    """

    run: Path
    expert: str
    hints: dict[str, Hint]
    without: frozenset[str]

    def into(
        self, settings: InspectionSettings, told: HintsAs, samples: Sequence[Sample]
    ) -> InspectionSettings:
        """The settings with these hints, told in this way, for asking about these samples.

        All hints of the run are put in, so that fewer or more of its samples may be asked about next time.

        Raises:
            UsageError: When the expert has not been asked about one of the samples.
        """
        missing = [one.id for one in samples if one.id not in self.hints and one.id not in self.without]
        if missing:
            raise UsageError(
                f"{self.run}: its expert has not been asked about {len(missing)} of the queries, first "
                f"{missing[0]}; bench the expert on the same sources, splits and limit first"
            )
        return replace(settings, hints=self.hints, hints_as=told)

    def about(self, told: HintsAs, samples: Sequence[Sample]) -> dict[str, Any]:
        """What tables say of a run about these samples, in which the hints are told in this way."""
        without = [sample.id for sample in samples if sample.id in self.without]
        return {"hints": {"expert": self.expert, "as": told, "places": PLACES, "without": without}}


def read_hints(corpus: Corpus, folder: Path) -> ExpertHints:
    """The hints of an expert's run, for all of its queries that have a verdict.

    Args:
        corpus: The corpus that it was asked about.
        folder: Folder of the run.

    Raises:
        UsageError: When it is not the run of an expert with thresholds of its own, is of another corpus, or
            says nothing of any query.
        DataError: When there is no run, or a map is missing or damaged.
    """
    run = Run.load(folder)
    check_honest(run)
    for source, digest in run.info.corpus_sha256.items():
        held = corpus.manifest.sources.get(source)
        if held is None or held.samples_sha256 != digest:
            raise UsageError(f"{folder}: was asked about other samples of {source!r} than {corpus.path} has")
    by_id = {sample.id: sample for sample in corpus.samples}
    maps = RunMaps.of(run)
    hints: dict[str, Hint] = {}
    for sample_id, verdict in run.verdicts.items():
        if verdict.anomalous is None:
            continue
        found = tuple(region.box for region in verdict.regions[:PLACES])  # the strongest first
        if places := found or _strongest(maps, by_id[sample_id]):
            hints[sample_id] = Hint(places, verdict.anomalous)
    if not hints:
        raise UsageError(f"{folder}: its expert says nothing of any query; bench it again")
    return ExpertHints(folder, run.info.name, hints, frozenset(run.verdicts.keys() - hints.keys()))


def check_honest(run: Run) -> None:
    """See that a run is of an expert whose thresholds are from normal images held out of its training.

    Raises:
        UsageError: When it is another one.
    """
    match threshold_of(run.info):
        case "honest":
            return
        case "oracle":
            found = "its thresholds were chosen with the labels of these very queries"
        case _:
            found = "it is not of an expert detector"
    raise UsageError(
        f"{run.path}: {found}; give the run of an expert with thresholds of its own, as  "
        "mmrad bench CORPUS --model patchcore --out RUNS  makes it"
    )


def _strongest(maps: RunMaps, sample: Sample) -> tuple[Box, ...]:
    """The strongest places of a map without a threshold, in whole pixels of the original image."""
    width, height = within(sample.size_wh, _SIDE)
    values = placed(maps.store.load(sample.id), maps.geometry, (width, height))
    across, down = sample.size_wh[0] / width, sample.size_wh[1] / height
    return tuple(Box(*box.scaled(across, down).rounded()) for box, _ in top_places(values, PLACES))
