"""PatchCore as an expert detector.

Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022, by anomalib's model: how
patches are described, how an image is scored and how its map is drawn are anomalib's; the coreset is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mmrad.errors import UsageError
from mmrad.inspectors.experts.anomalib_models import as_matrix, from_anomalib, without_backbone
from mmrad.inspectors.experts.coreset import coreset, nearest_distances
from mmrad.inspectors.experts.detector import Item, Progress, RawMap
from mmrad.inspectors.experts.on_maps import OnFeatureMaps
from mmrad.inspectors.experts.settings import ExpertSettings

_WIDE = 512
_PROJECTED = 64
"""Features of more than `_WIDE` channels are projected to so many for the choice of the coreset."""


class PatchcoreDetector(OnFeatureMaps):
    """A memory bank of patches of normal images; see `Detector`.

    The score of an image is the distance of its strangest patch to the bank, weighted by how the bank lies
    around there; the map is of distances without that weight, so that the score is not the map's maximum.

    Args:
        settings: The expert's, resolved.
        cache: Folder of feature maps, or None.
    """

    def __init__(self, settings: ExpertSettings, cache: Path | None) -> None:
        own = settings.patchcore
        super().__init__(settings, own.stages, cache)
        self._model = from_anomalib("models.image.patchcore.torch_model").PatchcoreModel(
            **without_backbone(len(own.stages)), num_neighbors=own.neighbours
        )
        enlarge = self._model.anomaly_map_generator
        self._drawing = as_matrix(enlarge, self.cells, self.geometry.side).to(self.device)
        self._kept = 0

    def fit(self, images: Sequence[Item], state: Path, progress: Progress | None = None) -> None:
        """Fill the bank from normal images; see `Detector.fit`.

        Of each image as many patches are kept, drawn at random, as `memory_gib` has room for: all of them,
        unless the images are very many. The coreset is chosen from those.

        Raises:
            DataError: When an image cannot be read; the message names it.
            UsageError: When there is too little memory, or the images are of several categories and the
                detector is of one.
        """
        each = self._room(len(images))
        generator = torch.Generator().manual_seed(self.settings.seed)
        pool = torch.empty(len(images) * each, self.channels, device=self.device)
        described = (one for maps in self.batches(images, progress) for one in self._patches(maps))
        for patches, room in zip(described, pool.split(each), strict=True):
            room.copy_(patches[torch.randperm(len(patches), generator=generator)[:each].to(self.device)])
        count = max(1, int(len(pool) * self.settings.patchcore.coreset))
        dimensions = _PROJECTED if self.channels > _WIDE else None
        self._model.memory_bank = pool[coreset(pool, count, self.settings.seed, dimensions)]
        self._kept = each

    def judge(self, images: Sequence[Item]) -> list[RawMap]:
        """The maps of a batch of images, of the size of what is seen of them; see `Detector.judge`."""
        # One by one: the last digits of a product depend on its shape, and so on the size of the batch.
        return [
            self._judge(patches) for patches in self._patches(self.maps.of([one.image for one in images]))
        ]

    def tensors(self) -> dict[str, Tensor]:
        """The bank, shape `(patches, channels)`, and how many patches of each image were kept of how many."""
        counts = {"patches_kept": self._kept, "patches_seen": self.cells**2}
        bank = {"bank": self._model.memory_bank.cpu()}
        return bank | {name: torch.tensor(count) for name, count in counts.items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take what `tensors` gave, in place of `fit`."""
        self._model.memory_bank = tensors["bank"].to(self.device)
        self._kept = int(tensors["patches_kept"])

    def _patches(self, maps: Sequence[Tensor]) -> Sequence[Tensor]:
        """The patches of each image, row by row, shape `(cells², channels)`."""
        pooled = {str(stage): self._model.feature_pooler(values) for stage, values in enumerate(maps)}
        embedding: Tensor = self._model.generate_embedding(pooled)
        return embedding.flatten(2).transpose(1, 2).contiguous().unbind()

    def _judge(self, patches: Tensor) -> RawMap:
        distances = nearest_distances(patches, self._model.memory_bank)
        # The score needs to know which neighbour is the nearest of the strangest patch alone.
        strangest = patches[distances.argmax()][None]
        distance, neighbour = self._model.nearest_neighbors(strangest, 1)
        score = self._model.compute_anomaly_score(distance[None], neighbour[None], strangest)
        grid = distances.view(self.cells, self.cells)
        return RawMap(score.item(), (self._drawing @ grid @ self._drawing.T).cpu().numpy())

    def _room(self, images: int) -> int:
        """How many patches of each image there is memory for."""
        projected = _PROJECTED if self.channels > _WIDE else 0
        a_patch = self.channels * (1 + self.settings.patchcore.coreset) + projected + 4
        room = int(self.memory / a_patch / images)
        if not room:
            needed = a_patch * images * 4 / 2**30
            raise UsageError(
                f"PatchCore needs {needed:.2g} GiB for one patch of each of {images} images, and memory_gib "
                f"is {self.settings.memory_gib:g}: give it more, or fewer images"
            )
        return min(room, self.cells**2)
