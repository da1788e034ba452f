"""Masks for the boxes of a run, on disk beside its verdicts, and how well they mark the anomalous pixels.

RUN/masks/NAME/masks.jsonl     a line for each mask, the last of a sample counts
RUN/masks/NAME/masks/*.png     255 where the verdict's regions are, else 0; in the size of the upright image
RUN/masks/NAME/pictures/*.png  the image with boxes and masks, when asked for

NAME is that of the segmenter, a line is `{"sample_id": …, "key": …, "file": …}`. Masks are no part of
`verdicts.jsonl`: verdicts are answers that were paid for and are only ever appended to, while masks can be
made again at any time, by another model, from the same verdicts.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from mmrad.bench.run import Run
from mmrad.box import Box
from mmrad.corpus import Corpus
from mmrad.errors import DataError
from mmrad.files import atomic_path, file_name, unique_name
from mmrad.image import RGB, encode_png, image_hash, read_image, read_mask
from mmrad.journal import Journal, read_journal
from mmrad.metrics.pixels import Mask, PixelScores, score_masks
from mmrad.metrics.scores import MISSING
from mmrad.picture import annotate, shade
from mmrad.sample import Sample, Verdict
from mmrad.sources.marks import marked_pixels

INDEX_FILE = "masks.jsonl"
BOXES = "boxes"
"""Name of the segmenter that fills boxes."""

Progress = Callable[[int, int], None]
"""Is told how many samples of how many are done."""


class Segmenter(Protocol):
    """Turns boxes into masks."""

    name: str

    def key(self) -> dict[str, Any]:
        """Everything besides image and boxes that can change a mask."""

    def masks(self, image: RGB, boxes: Sequence[Box]) -> Mask:
        """Masks of shape `(N, height, width)` of N boxes in pixels of the image."""


class FilledBoxes:
    """The baseline: every pixel of a box is marked."""

    name = BOXES

    def key(self) -> dict[str, Any]:
        """Nothing can change a mask besides its box."""
        return {"segmenter": BOXES}

    def masks(self, image: RGB, boxes: Sequence[Box]) -> Mask:
        """See `Segmenter.masks`; corners are rounded to whole pixels."""
        height, width = image.shape[:2]
        masks = np.zeros((len(boxes), height, width), dtype=bool)
        for mask, full in zip(masks, boxes, strict=True):
            if box := full.clipped((width, height)):
                x1, y1, x2, y2 = box.rounded()
                mask[y1:y2, x1:x2] = True
        return masks


@dataclass(frozen=True, slots=True)
class Segmentation:
    """The masks of a run.

    Attributes:
        folder: Where they lie.
        segmenter: Who made them.
        written: Masks made now.
        kept: Masks that were there.
        placeless: Samples called anomalous without a box: they have no mask, and nothing of them is marked.
        unanswered: Samples without a judgement, by status (`missing`: never asked); their pixels are missed.
        left_out: Samples that no pixel figure can judge, since an anomalous region of theirs has no true mask
            (a box is none), or none of the anomalous samples of their category has.
        scores: Pixel figures of the masks; None when all samples are left out.
        boxes: Pixel figures of the same samples with filled boxes as masks.
    """

    folder: Path
    segmenter: str
    written: int
    kept: int
    placeless: int
    unanswered: dict[str, int]
    left_out: int
    scores: PixelScores | None
    boxes: PixelScores | None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self) | {"folder": str(self.folder)}


def segment_run(
    run: Run,
    segmenter: Segmenter,
    *,
    out: Path | None = None,
    pictures: bool = False,
    progress: Progress | None = None,
) -> Segmentation:
    """Make a mask for every verdict of a run that has boxes, and compare the masks with the true ones.

    Called again, it makes only masks that are missing or whose verdict, image or segmenter has changed.

    Args:
        run: The run.
        segmenter: Who turns boxes into masks.
        out: Folder to write to in place of `RUN/masks`; gets a folder named as that of the run.
        pictures: Whether to write pictures too.
        progress: Called after each sample with boxes.

    Raises:
        DataError: When an image or true mask cannot be read, or has another size than the corpus says.
    """
    folder = (out / run.path.name if out else run.path / "masks") / file_name(segmenter.name)
    files, written = _write(run, segmenter, folder, pictures, progress)
    verdicts = [run.verdicts.get(sample.id) for sample in run.samples]
    unanswered = Counter(verdict.status if verdict else MISSING for verdict in verdicts)
    del unanswered["ok"]
    judged = with_true_masks(run.samples)
    scores = _score(run, judged, lambda sample, _: read_mask(folder / files[sample.id]) > 0)
    return Segmentation(
        folder=folder,
        segmenter=segmenter.name,
        written=written,
        kept=len(files) - written,
        placeless=sum(bool(verdict and verdict.anomalous and not verdict.regions) for verdict in verdicts),
        unanswered=dict(sorted(unanswered.items())),
        left_out=len(run.samples) - len(judged),
        scores=scores,
        boxes=scores if isinstance(segmenter, FilledBoxes) else _score(run, judged, _filled),
    )


def true_mask(corpus: Corpus, sample: Sample) -> Mask:
    """The anomalous pixels of a sample: what its mask files mark inside its boxes.

    What curation dropped as a speck is in no box and so not anomalous here either.

    Args:
        corpus: The corpus of the sample.
        sample: A sample whose regions all have a mask; one without regions has an empty mask.

    Returns:
        Array of shape `(height, width)`.

    Raises:
        DataError: When a mask file is missing, not an image, or of another size than the image.
    """
    width, height = sample.size_wh
    true = np.zeros((height, width), dtype=bool)
    for name in {region.mask for region in sample.regions}:
        if name is None:
            raise ValueError(f"{sample.id} has a region without a mask")
        marked = marked_pixels(corpus, sample.source, name)
        if marked.shape != true.shape:
            found = f"{marked.shape[1]}x{marked.shape[0]}"
            path = corpus.resolve(sample.source, name)
            raise DataError(f"{path}: is {found}, its image {width}x{height}; build the corpus again")
        for region in sample.regions:
            if region.mask == name:
                x1, y1, x2, y2 = region.box.rounded()
                true[y1:y2, x1:x2] |= marked[y1:y2, x1:x2]
    return true


def _boxes(verdict: Verdict | None) -> list[Box]:
    """The boxes that a verdict claims."""
    return [region.box for region in verdict.claimed] if verdict else []


def _write(
    run: Run, segmenter: Segmenter, folder: Path, pictures: bool, progress: Progress | None
) -> tuple[dict[str, str], int]:
    """Files of the masks by sample id, relative to the folder, and how many of them were made now."""
    held = _index(folder / INDEX_FILE)
    todo = [sample for sample in run.samples if _boxes(run.verdicts.get(sample.id))]
    segmenter_key = json.dumps(segmenter.key(), sort_keys=True)  # sums up all weights: once is enough
    files: dict[str, str] = {}
    written = 0
    with Journal(folder / INDEX_FILE) as journal:
        for done, sample in enumerate(todo, start=1):
            verdict = run.verdicts[sample.id]
            path = run.corpus.resolve(sample.source, sample.image)
            key, file = _key(segmenter_key, path, verdict), f"masks/{unique_name(sample.id)}.png"
            picture = folder / "pictures" / f"{unique_name(sample.id)}.png"
            new = held.get(sample.id) != (key, file) or not (folder / file).exists()
            if new:
                mask = _union(segmenter.masks(_read(path, sample), _boxes(verdict)))
                _save(folder / file, _mask_png(mask))
                picture.unlink(missing_ok=True)
                journal.append({"sample_id": sample.id, "key": key, "file": file})
                written += 1
            if pictures and not picture.exists():
                drawn = _picture(run.corpus, sample, verdict, read_mask(folder / file) > 0)
                _save(picture, encode_png(drawn))
            files[sample.id] = file
            if progress:
                progress(done, len(todo))
    return files, written


def _index(path: Path) -> dict[str, tuple[str, str]]:
    """Key and file of the mask of each sample."""
    try:
        return {line["sample_id"]: (line["key"], line["file"]) for line in read_journal(path)}
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: not a list of masks ({error!r}); delete {path.parent}") from error


def _key(segmenter_key: str, image: Path, verdict: Verdict) -> str:
    """What a mask was made from."""
    boxes = json.dumps([box.xyxy for box in _boxes(verdict)])
    return hashlib.sha256("\n".join([segmenter_key, image_hash(image), boxes]).encode()).hexdigest()


def _read(path: Path, sample: Sample) -> RGB:
    image = read_image(path)
    if image.shape[1::-1] != sample.size_wh:
        raise DataError(
            f"{path}: is {image.shape[1]}x{image.shape[0]}, the corpus says "
            f"{sample.size_wh[0]}x{sample.size_wh[1]}; build the corpus again"
        )
    return image


def _save(path: Path, png: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(png)


def _mask_png(mask: Mask) -> bytes:
    return bytes(cv2.imencode(".png", np.where(mask, 255, 0).astype(np.uint8))[1])


def _union(masks: Mask) -> Mask:
    return np.asarray(masks.any(axis=0))


def _picture(corpus: Corpus, sample: Sample, verdict: Verdict, mask: Mask) -> RGB:
    """The image with the mask, the verdict's boxes, and the outline of the true mask where there is one."""
    image = _read(corpus.resolve(sample.source, sample.image), sample)
    true = true_mask(corpus, sample) if _has_masks(sample) else None
    return annotate(shade(image, mask, true), verdict)


def _has_masks(sample: Sample) -> bool:
    return all(region.mask is not None for region in sample.regions)


def with_true_masks(samples: Sequence[Sample]) -> list[Sample]:
    """The samples that pixel figures can judge.

    Of a category whose anomalous samples have no masks the normal ones are left out too: nothing would be
    counted there but false alarms.
    """
    anomalous = {(s.source, s.category) for s in samples if s.anomalous}
    with_masks = {(s.source, s.category) for s in samples if s.anomalous and _has_masks(s)}
    return [
        sample
        for sample in samples
        if _has_masks(sample) and (sample.source, sample.category) not in anomalous - with_masks
    ]


def _filled(sample: Sample, boxes: Sequence[Box]) -> Mask:
    blank = np.zeros((sample.size_wh[1], sample.size_wh[0], 3), np.uint8)
    return _union(FilledBoxes().masks(blank, boxes))


def _score(
    run: Run, samples: Sequence[Sample], mask_of: Callable[[Sample, Sequence[Box]], Mask]
) -> PixelScores | None:
    """Pixel figures of samples, one image in memory at a time."""

    def judged() -> Iterator[tuple[Sample, Mask | None, Mask]]:
        for sample in samples:
            verdict, true = run.verdicts.get(sample.id), true_mask(run.corpus, sample)
            boxes = _boxes(verdict)
            if verdict is None or verdict.anomalous is None:
                yield sample, None, true
            else:
                yield sample, mask_of(sample, boxes) if boxes else np.zeros_like(true), true

    return score_masks(judged()) if samples else None
