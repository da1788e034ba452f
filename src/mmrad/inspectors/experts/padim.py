"""PaDiM as an expert detector.

Defard et al., "PaDiM: a Patch Distribution Modeling Framework for Anomaly Detection and Localization",
ICPR 2020 workshops, by anomalib's model: how places are described and how the map is drawn are anomalib's;
the Gaussians are the same, summed up image by image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mmrad.errors import DataError, UsageError
from mmrad.inspectors.experts.anomalib_models import as_matrix, from_anomalib, without_backbone
from mmrad.inspectors.experts.detector import Item, Progress, RawMap
from mmrad.inspectors.experts.on_maps import OnFeatureMaps
from mmrad.inspectors.experts.settings import ExpertSettings

_RIDGE = 0.01 + 1e-5
"""Added to every variance: 0.01 by the paper, the rest by anomalib."""

_TOGETHER = 8
"""Images whose distances are computed together."""

_CELLS = 1 << 23
"""Numbers of the matrices that are inverted at once."""


class PadimDetector(OnFeatureMaps):
    """A Gaussian at each place of the first stage's maps; see `Detector`. The score is the map's maximum.

    Args:
        settings: The expert's, resolved.
        cache: Folder of feature maps, or None.
    """

    def __init__(self, settings: ExpertSettings, cache: Path | None) -> None:
        own = settings.padim
        super().__init__(settings, own.stages, cache)
        self._model = from_anomalib("models.image.padim.torch_model").PadimModel(
            **without_backbone(len(own.stages)), n_features=1
        )
        generator = torch.Generator().manual_seed(settings.seed)
        self._model.idx = torch.randperm(self.channels, generator=generator)[: own.features].to(self.device)
        drawing = self._model.anomaly_map_generator
        self._drawing = as_matrix(
            lambda scores, size: drawing.smooth_anomaly_map(drawing.up_sample(scores, size)),
            self.cells,
            self.geometry.side,
        ).to(self.device)

    def fit(self, images: Sequence[Item], state: Path, progress: Progress | None = None) -> None:
        """Learn mean and covariance of each place from normal images; see `Detector.fit`.

        Raises:
            DataError: When an image cannot be read (the message names it), or there are fewer than two.
            UsageError: When the covariances do not fit into `memory_gib`, or the images are of several
                categories and the detector is of one.
        """
        if len(images) < 2:
            raise DataError(f"PaDiM needs at least two images for a covariance, and was given {len(images)}")
        features, places = len(self._model.idx), self.cells**2
        if places * features**2 > self.memory:
            needed = places * features**2 * 4 / 2**30
            raise UsageError(
                f"PaDiM with {features} features at {self.cells} x {self.cells} places needs {needed:.2g} "
                f"GiB, and memory_gib is {self.settings.memory_gib:g}: give it more, or fewer features"
            )
        moments = _Moments(places, features, self.device)
        for maps in self.batches(images, progress):
            moments.add(self._embedding(maps).flatten(2).permute(2, 1, 0))
        self._model.gaussian.mean = moments.mean.T.contiguous()
        self._model.gaussian.inv_covariance = moments.inverse_covariances()

    def judge(self, images: Sequence[Item]) -> list[RawMap]:
        """The maps of a batch of images, of the size of what is seen of them; see `Detector.judge`."""
        gaussian = [self._model.gaussian.mean, self._model.gaussian.inv_covariance]
        embedding = self._embedding(self.maps.of([one.image for one in images]))
        # Always as many together, if need be with zeros: the last digits of a product depend on its shape.
        missing = embedding.new_zeros(-len(images) % _TOGETHER, *embedding.shape[1:])
        found = []
        for some in torch.cat([embedding, missing]).split(_TOGETHER):
            grids = self._model.anomaly_map_generator.compute_distance(some, gaussian)[:, 0]
            found += [(self._drawing @ grid @ self._drawing.T).cpu().numpy() for grid in grids]
        return [RawMap(float(values.max()), values) for values in found[: len(images)]]

    def tensors(self) -> dict[str, Tensor]:
        """Which channels are used, shape `(features,)`; of each place the Gaussian.

        The means have the shape `(features, cells²)`, the inverse covariances `(cells², features, features)`.
        """
        gaussian = self._model.gaussian
        learned = {"channels": self._model.idx, "mean": gaussian.mean, "inverse": gaussian.inv_covariance}
        return {name: values.cpu() for name, values in learned.items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take what `tensors` gave, in place of `fit`."""
        self._model.idx = tensors["channels"].to(self.device)
        self._model.gaussian.mean = tensors["mean"].to(self.device)
        self._model.gaussian.inv_covariance = tensors["inverse"].to(self.device)

    def _embedding(self, maps: Sequence[Tensor]) -> Tensor:
        """What each place is described by, shape `(N, features, cells, cells)`."""
        found: Tensor = self._model.generate_embedding({str(stage): one for stage, one in enumerate(maps)})
        return found


class _Moments:
    """Means and covariances of many places, summed up batch by batch.

    Deviations are from the mean so far, not from zero, so that no digits are lost (Chan, Golub and LeVeque,
    "Algorithms for computing the sample variance", The American Statistician 1983).

    Attributes:
        mean: Shape `(places, features)`.
    """

    def __init__(self, places: int, features: int, device: str) -> None:
        self.mean = torch.zeros(places, features, device=device)
        self._scatter = torch.zeros(places, features, features, device=device)
        self._count = 0

    def add(self, values: Tensor) -> None:
        """Take in the values of a batch of images, shape `(places, features, images)`."""
        before, count = self._count, self._count + values.shape[2]
        mean = values.mean(dim=2)
        shift = mean - self.mean
        # The two means' own deviation counts as one more image.
        of_means = shift * math.sqrt(before * values.shape[2] / count)
        deviations = torch.cat([values - mean[:, :, None], of_means[:, :, None]], dim=2)
        self._scatter.baddbmm_(deviations, deviations.mT)
        self.mean += shift * (values.shape[2] / count)
        self._count = count

    def inverse_covariances(self) -> Tensor:
        """Of each place the inverse of its covariance with the ridge; takes the place of what was summed up.

        Returns:
            Shape `(places, features, features)`.
        """
        self._scatter /= self._count - 1
        self._scatter.diagonal(dim1=1, dim2=2).add_(_RIDGE)
        for some in self._scatter.split(max(1, _CELLS // self._scatter[0].numel())):
            some.copy_(torch.cholesky_inverse(torch.linalg.cholesky(some.double())))
        return self._scatter
