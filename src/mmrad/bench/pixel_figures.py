"""How well the maps of an expert's run mark the anomalous pixels, kept in `RUN/pixels.json`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pydantic import BaseModel, ConfigDict, ValidationError

from mmrad.bench.expert_runs import RunMaps, origin_of, state_of, threshold_of
from mmrad.bench.progress import Progress
from mmrad.bench.run import INFO_FILE, Run
from mmrad.bench.segment import true_mask, with_true_masks
from mmrad.errors import DataError
from mmrad.files import write_text
from mmrad.inspectors.experts.maps import MapValues
from mmrad.metrics.pixels import Mask, PixelScores, score_maps
from mmrad.metrics.scores import by_category
from mmrad.sample import Sample

PIXELS_FILE = "pixels.json"


class _Kept(BaseModel):
    """The content of the file.

    Attributes:
        state: What the figures were made from, see `state_of`.
        scores: None when no sample has a true mask.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: str
    scores: PixelScores | None


def pixel_figures(run: Run, progress: Callable[[Progress], None] | None = None) -> PixelScores | None:
    """Pixel AUROC and AUPRO of a run's maps; computed where they are not kept or out of date.

    Args:
        run: A run; one under the paper's thresholds has the maps, and so the figures, of its origin.
        progress: Told how many maps are done.

    Returns:
        The figures of the samples that have a true mask or are normal, see `with_true_masks`; None where
        there are none, or the run has no maps.

    Raises:
        DataError: When a map, a mask or the file is damaged.
    """
    origin = _origin(run)
    if origin is None:
        return None
    kept = _read(origin)
    if kept is None:
        kept = _Kept(state=state_of(origin), scores=_compute(origin, progress))
        write_text(origin.path / PIXELS_FILE, kept.model_dump_json(indent=1) + "\n")
    return kept.scores


def kept_pixel_figures(run: Run) -> PixelScores | None:
    """The figures where they are kept and up to date; nothing is computed.

    Raises:
        DataError: When the file is damaged.
    """
    origin = _origin(run)
    kept = _read(origin) if origin else None
    return kept.scores if kept else None


def _origin(run: Run) -> Run | None:
    """The run that the maps of a run belong to; None when it has none, or that run is not beside it."""
    path = origin_of(run)
    if threshold_of(run.info) is None or not (path / INFO_FILE).exists():
        return None
    return run if path == run.path else Run.load(path)


def _read(run: Run) -> _Kept | None:
    path = run.path / PIXELS_FILE
    if not path.exists():
        return None
    try:
        kept = _Kept.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(f"{path}: unreadable ({error}); delete it, and it is made again") from error
    return kept if kept.state == state_of(run) else None


def _compute(run: Run, progress: Callable[[Progress], None] | None) -> PixelScores | None:
    samples = with_true_masks(run.samples)
    maps = RunMaps.of(run)

    def judged() -> Iterator[tuple[Sample, MapValues | None, Mask]]:
        done = 0
        for members in by_category(samples):
            for sample in members:
                verdict = run.verdicts.get(sample.id)
                answered = verdict is not None and verdict.anomalous is not None
                yield sample, maps.placed(sample) if answered else None, true_mask(run.corpus, sample)
                done += 1
                if progress:
                    progress(Progress(f"{run.info.name}, pixels", len(samples), done, dollars=0.0))

    return score_maps(judged()) if samples else None
