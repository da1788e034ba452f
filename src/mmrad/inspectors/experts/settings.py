"""What an expert depends on besides the images: the values of `mmrad train expert` and of recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from mmrad.errors import UsageError
from mmrad.recipe import Table

DetectorName = Literal["padim", "patchcore", "hgad", "dinomaly", "inp-former"]
DETECTORS: tuple[DetectorName, ...] = get_args(DetectorName)

TITLES: dict[DetectorName, str] = {
    "padim": "PaDiM",
    "patchcore": "PatchCore",
    "hgad": "HGAD",
    "dinomaly": "Dinomaly",
    "inp-former": "INP-Former",
}
"""Names in tables, which are those of the paper's Table 4."""


class PadimSettings(Table):
    """PaDiM's own.

    Attributes:
        features: How many channels are kept, drawn at random; fewer where the backbone has fewer.
        stages: Strides of the backbone's stages.
    """

    features: PositiveInt = 100
    stages: tuple[int, ...] = (4, 8, 16)


class PatchcoreSettings(Table):
    """PatchCore's own.

    Attributes:
        coreset: Share of the patches kept in the memory bank.
        neighbours: Neighbours by which the image's score is weighted.
        stages: Strides of the backbone's stages.
    """

    coreset: float = Field(default=0.1, gt=0, le=1)
    neighbours: PositiveInt = 9
    stages: tuple[int, ...] = (8, 16)


class HgadSettings(Table):
    """HGAD's own; the defaults are the published ones but for the size of images, which is `size`.

    Attributes:
        levels: Sizes of the pyramid: the image at its full size, half of it, and so on.
        blocks: Coupling blocks of a flow.
        condition: Channels of the positional encoding.
        centres: Centres of each class.
        passes: Passes over the training images.
        first_passes: Of those, the ones before the classes' own centres are trained.
        warmup_passes: Passes of linear warm-up.
        batch_size: Images of a step.
        learning_rate: Adam's largest.
        fusion: What the map is made of.
    """

    levels: PositiveInt = 3
    blocks: PositiveInt = 12
    condition: PositiveInt = 256
    centres: PositiveInt = 10
    passes: PositiveInt = 200
    first_passes: PositiveInt = 16
    warmup_passes: PositiveInt = 16
    batch_size: PositiveInt = 8
    learning_rate: PositiveFloat = 2e-4
    fusion: Literal["product", "likelihood", "entropy"] = "product"


class ReconstructionSettings(Table):
    """Dinomaly's and INP-Former's own.

    Attributes:
        steps: Updates; None for the published schedule of the detector.
        batch_size: Images of an update.
        learning_rate: Largest; None for the published one.
        dropout: Of Dinomaly's bottleneck; INP-Former has none.
    """

    steps: PositiveInt | None = None
    batch_size: PositiveInt = 16
    learning_rate: PositiveFloat | None = None
    dropout: NonNegativeFloat = 0.2


class ExpertSettings(Table):
    """An expert.

    Attributes:
        detector: Which one.
        backbone: A name of `mmrad.features.BACKBONES`; None for the detector's default.
        weights: File with the backbone's weights, in timm's names; None for what its package or the hub has.
        classes: One model for each category (`one`) or one for all (`all`); None for what the detector's
            authors do: one class for PaDiM and PatchCore, all for the others.
        size: Images are resized to this many pixels a side; None for the detector's default.
        crop: Of that, the middle square of this side is seen; None for all.
        memory_gib: Most memory that features may take at once, in GiB.
        seed: Seed of every random choice.
        device: `auto` takes a GPU where there is one.
    """

    detector: DetectorName
    backbone: str | None = None
    weights: Path | None = None
    classes: Literal["one", "all"] | None = None
    size: PositiveInt | None = None
    crop: PositiveInt | None = None
    memory_gib: PositiveFloat = 4.0
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    padim: PadimSettings = PadimSettings()
    patchcore: PatchcoreSettings = PatchcoreSettings()
    hgad: HgadSettings = HgadSettings()
    reconstruction: ReconstructionSettings = ReconstructionSettings()

    def resolved(self) -> ExpertSettings:
        """The settings with the detector's defaults where nothing is said."""
        own = {"crop": None} if self.size else {}  # a size of one's own is not cropped as the default one
        defaults = _DEFAULTS[self.detector] | own
        return self.model_copy(
            update={name: value for name, value in defaults.items() if getattr(self, name) is None}
        )

    def torch_device(self) -> str:
        """The device that `device` means on this machine.

        Raises:
            UsageError: When it is a GPU and torch sees none.
        """
        import torch

        there = torch.cuda.is_available()
        if self.device == "cuda" and not there:
            raise UsageError("device is cuda, and torch sees no GPU here: give auto or cpu")
        return "cpu" if self.device == "cpu" or not there else "cuda"


_DEFAULTS: dict[DetectorName, dict[str, Any]] = {
    # 240 is also the size at which references are retrieved, so that both may share feature maps.
    "padim": {"backbone": "lite0", "classes": "one", "size": 240},
    "patchcore": {"backbone": "lite0", "classes": "one", "size": 240},
    "hgad": {"backbone": "lite0", "classes": "all", "size": 512},
    "dinomaly": {"backbone": "dinov2_base", "classes": "all", "size": 448, "crop": 392},
    "inp-former": {"backbone": "dinov2_base", "classes": "all", "size": 448, "crop": 392},
}
