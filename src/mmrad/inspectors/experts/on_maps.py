"""What detectors have in common that learn from feature maps in one pass over the images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from mmrad.errors import UsageError
from mmrad.features import FeatureMaps, Geometry
from mmrad.inspectors.experts.detector import Item, Progress
from mmrad.inspectors.experts.settings import TITLES, ExpertSettings

_AT_ONCE = 8
"""Images of which feature maps are in memory at once while a detector learns."""


class OnFeatureMaps:
    """A frozen backbone and its maps.

    Args:
        settings: The expert's, resolved.
        strides: Of the backbone's stages.
        cache: Folder of feature maps, or None.

    Attributes:
        channels: Of all stages together.
        cells: Rows, and columns, of the first stage's maps.
    """

    def __init__(self, settings: ExpertSettings, strides: Sequence[int], cache: Path | None) -> None:
        assert settings.size is not None
        assert settings.backbone is not None
        self.geometry = Geometry(settings.size, settings.crop)
        self.settings = settings
        self.device = settings.torch_device()
        self.maps = FeatureMaps(
            settings.backbone,
            strides,
            self.geometry,
            weights=settings.weights,
            cache=cache,
            device=self.device,
        )
        self.backbone = {"tag": self.maps.tag, "sha256": self.maps.sha256}
        self.channels = sum(self.maps.channels)
        self.cells = -(-self.geometry.side // strides[0])

    @property
    def memory(self) -> int:
        """How many float32 numbers the settings' `memory_gib` holds."""
        return int(self.settings.memory_gib * 2**30 / 4)

    def batches(self, images: Sequence[Item], progress: Progress | None) -> Iterator[list[Tensor]]:
        """The maps of images that are learned from, batch after batch, see `FeatureMaps.of`.

        Raises:
            UsageError: When the images are of several categories and the detector is one of one class.
        """
        categories = {item.category for item in images}
        if self.settings.classes == "one" and len(categories) > 1:
            raise UsageError(
                f"{TITLES[self.settings.detector]} with classes = one learns one category, and these images "
                f"are of {len(categories)}; give classes = all for one detector of all of them"
            )
        for begin in range(0, len(images), _AT_ONCE):
            batch = images[begin : begin + _AT_ONCE]
            yield self.maps.of([item.image for item in batch])
            if progress:
                progress(begin + len(batch), len(images))
