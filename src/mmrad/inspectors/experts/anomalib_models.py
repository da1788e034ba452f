"""The one place that imports anomalib, and what its models need to run on feature maps made elsewhere."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mmrad.errors import MissingExtraError

if TYPE_CHECKING:
    import torch

_STRIP = 17
"""Columns that a blur of anomalib's maps needs at least: it reflects 16 at the border."""


def from_anomalib(module: str) -> Any:
    """A module of anomalib, e.g. `models.image.patchcore.torch_model`; the first import takes seconds.

    Raises:
        MissingExtraError: When anomalib is not installed.
    """
    with warnings.catch_warnings():
        # It imports from places that timm and itself have given up.
        warnings.simplefilter("ignore", FutureWarning)
        try:
            return importlib.import_module(f"anomalib.{module}")
        except ModuleNotFoundError as error:
            if error.name != "anomalib":
                raise
            raise MissingExtraError("anomalib", "experts") from None


def without_backbone(stages: int) -> dict[str, Any]:
    """Arguments of an anomalib model that gets its feature maps from elsewhere, under the names `0`, `1`, ….

    anomalib takes a module for a backbone, each layer being a child of it, and asks on which device its
    parameters are: a PReLU is the least that has one. So no network is built, and none is fetched.
    """
    from torch import nn

    backbone = nn.Sequential(*(nn.PReLU() for _ in range(stages)))
    return {"backbone": backbone, "layers": [name for name, _ in backbone.named_children()]}


def as_matrix(
    enlarge: Callable[[torch.Tensor, tuple[int, int]], torch.Tensor], cells: int, side: int
) -> torch.Tensor:
    """The matrix M for which `M @ scores @ M.T` is the map that anomalib makes of the scores of places.

    Enlarging and the Gaussian blur treat rows and columns alike, one after the other, and leave constants as
    they are. So the map of scores that are 1 in one row and 0 in all others has the same column everywhere:
    that row's column of M. Two small products replace a convolution with 33 x 33 weights.

    Args:
        enlarge: Makes maps of a size `(height, width)` of scores of shape `(N, 1, rows, columns)`.
        cells: Rows of the scores, and columns.
        side: Of the map, in pixels.

    Returns:
        Shape `(side, cells)`.
    """
    import torch

    rows = torch.eye(cells).view(cells, 1, cells, 1)
    return enlarge(rows, (side, _STRIP))[:, 0, :, 0].T.contiguous()
