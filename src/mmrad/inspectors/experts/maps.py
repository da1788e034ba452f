"""Raw maps of anomaly: kept on disk one file a sample, and laid over the images they belong to."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmrad.errors import DataError
from mmrad.features import Geometry
from mmrad.files import atomic_path, unique_name

MapValues = NDArray[np.float32]
"""Shape `(rows, columns)`; higher is more anomalous."""

_ONE_AT_A_TIME = threading.Lock()
"""NumPy reads a file's header by `ast`, which in Python 3.11 now and then fails in two threads at once
("AST constructor recursion depth mismatch", CPython issue 106905)."""


class MapStore:
    """The raw maps of a run, in a folder.

    Args:
        folder: Made when the first map is saved.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, sample_id: str, values: MapValues) -> None:
        """Keep the map of a sample, atomically; one that is there is replaced.

        Args:
            sample_id: Id of the sample.
            values: As in `RawMap`.
        """
        with atomic_path(self.path(sample_id)) as temporary, temporary.open("wb") as file:
            np.save(file, np.ascontiguousarray(values, np.float32), allow_pickle=False)

    def load(self, sample_id: str) -> MapValues:
        """The map of a sample.

        Raises:
            DataError: When it is not there or damaged.
        """
        path = self.path(sample_id)
        try:
            with _ONE_AT_A_TIME:
                values: MapValues = np.load(path, allow_pickle=False)
        except FileNotFoundError:
            raise DataError(f"{path}: the map of {sample_id} is not there; {_REMEDY}") from None
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path}: unreadable map of {sample_id} ({error}); {_REMEDY}") from error
        if values.dtype != np.float32 or values.ndim != 2 or not values.size:
            raise DataError(f"{path}: {values.dtype} of shape {values.shape} is no map; {_REMEDY}")
        return values

    def has(self, sample_id: str) -> bool:
        """Whether there is a map of a sample."""
        return self.path(sample_id).exists()

    def path(self, sample_id: str) -> Path:
        """The file of a sample's map."""
        return self.folder / f"{unique_name(sample_id)}.npy"


_REMEDY = "delete the folder of the run and bench again"


def placed(values: MapValues, geometry: Geometry, original_wh: tuple[int, int]) -> MapValues:
    """A map laid over the image it belongs to.

    Bilinear between the centres of the map's cells (`align_corners=False`), beyond the outermost centres the
    outermost values. What the detector did not see, outside the crop, gets the map's minimum.

    Args:
        values: A map of the square that the detector saw, shape `(rows, columns)`.
        geometry: How the image became that square.
        original_wh: Width and height of the original image in pixels.

    Returns:
        Shape `(height, width)`.
    """
    width, height = original_wh
    top, bottom, down, seen_rows = _between(values.shape[0], geometry, height)
    left, right, across, seen_columns = _between(values.shape[1], geometry, width)
    wide = values[:, left] + (values[:, right] - values[:, left]) * across
    found = wide[top] + (wide[bottom] - wide[top]) * down[:, None]
    if geometry.crop is not None:
        lowest = values.min()
        found[~seen_rows] = lowest
        found[:, ~seen_columns] = lowest
    return found


def within(size_wh: tuple[int, int], longest: int) -> tuple[int, int]:
    """The size of an image that is shrunk until its longer side has at most so many pixels."""
    shrink = min(1.0, longest / max(size_wh))
    width, height = (max(1, round(side * shrink)) for side in size_wh)
    return width, height


def _between(
    cells: int, geometry: Geometry, pixels: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], MapValues, NDArray[np.bool_]]:
    """Of each pixel of an axis: the cells before and after its centre, how far on, and whether it is seen."""
    margin = (geometry.size - geometry.side) // 2
    on_square = (np.arange(pixels) + 0.5) * geometry.size / pixels - margin
    on_map = np.clip(on_square * cells / geometry.side - 0.5, 0, cells - 1)
    before = np.floor(on_map).astype(np.intp)
    after = np.minimum(before + 1, cells - 1)
    seen = (on_square >= 0) & (on_square < geometry.side)
    return before, after, (on_map - before).astype(np.float32), seen
