"""An expert on disk: a detector trained on the normal images of a corpus, and what it says of held-out ones.

    EXPERT/expert.json              settings, backbone, and the corpus it was trained on
    EXPERT/parts/NAME.safetensors   what the detector learned: of one category, or of `all`
    EXPERT/parts/NAME.json          the images it learned from and those held out; written last
    EXPERT/parts/NAME.state         a long training under way

No path of a machine is kept: of weights that were given as a file, its name and hash.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from mmrad.errors import DataError, UsageError
from mmrad.features import Geometry
from mmrad.files import atomic_path, unique_name, write_text
from mmrad.inspectors.experts.detector import Detector
from mmrad.inspectors.experts.make import make_detector
from mmrad.inspectors.experts.settings import ExpertSettings
from mmrad.inspectors.experts.thresholds import Calibration
from mmrad.sample import Sample

if TYPE_CHECKING:
    import torch

SCHEMA_VERSION = 1
EXPERT_FILE = "expert.json"


class ExpertInfo(BaseModel):
    """The content of `expert.json`.

    Attributes:
        schema_version: Of the folder's layout.
        settings: Resolved; without the device and with the weights' file name only.
        backbone: Tag and SHA-256 of the frozen backbone's weights.
        sources: Of the corpus.
        categories: `source/category` each.
        corpus_sha256: Hash of the samples by source.
        mmrad_version: Which began it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA_VERSION
    settings: ExpertSettings
    backbone: dict[str, str]
    sources: tuple[str, ...]
    categories: tuple[str, ...]
    corpus_sha256: dict[str, str]
    mmrad_version: str


class CategoryInfo(BaseModel):
    """What a part knows of a category.

    Attributes:
        fitted: Ids of the samples it learned from.
        held_out: Ids of the samples it did not.
        calibration: What it says of these, in their order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fitted: tuple[str, ...]
    held_out: tuple[str, ...]
    calibration: Calibration


class PartInfo(BaseModel):
    """The content of `parts/NAME.json`.

    Attributes:
        sha256: Of `parts/NAME.safetensors`.
        seconds: Wall time of its training, since the last start, and of judging what was held out.
        categories: By `source/category`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str
    seconds: float
    categories: dict[str, CategoryInfo]


class PartFiles:
    """The files of a part.

    Args:
        folder: Of the expert.
        name: A category, or `all`.
    """

    def __init__(self, folder: Path, name: str) -> None:
        stem = name if name == "all" else unique_name(name)
        self.tensors, self.info, self.state = (
            folder / "parts" / f"{stem}.{kind}" for kind in ("safetensors", "json", "state")
        )

    @property
    def complete(self) -> bool:
        """Whether its training is done."""
        return self.info.exists() and self.tensors.exists()

    def save(
        self, tensors: dict[str, torch.Tensor], seconds: float, categories: dict[str, CategoryInfo]
    ) -> None:
        """Keep what a detector learned; what says that it is complete is written last."""
        from safetensors.torch import save

        content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
        with atomic_path(self.tensors) as temporary:
            temporary.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        info = PartInfo(sha256=digest, seconds=round(seconds, 3), categories=categories)
        write_text(self.info, info.model_dump_json(indent=1) + "\n")
        self.state.unlink(missing_ok=True)

    def load(self, sha256: str) -> dict[str, torch.Tensor]:
        """What the detector learned.

        Raises:
            DataError: When the file is missing or not the one that was saved.
        """
        from safetensors.torch import load

        try:
            content = self.tensors.read_bytes()
        except OSError as error:
            raise DataError(f"{self.tensors}: unreadable ({error}); {_AGAIN}") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise DataError(f"{self.tensors}: not the file that {self.info.name} speaks of; {_AGAIN}")
        return dict(load(content))


_AGAIN = "delete this part's files and run  mmrad train expert  again"


class Expert:
    """A trained expert; see `Expert.load`.

    Attributes:
        folder: Where it lies.
        info: What it is made of.
        parts: Its parts by category; of all classes the same for each.
    """

    def __init__(
        self,
        folder: Path,
        info: ExpertInfo,
        parts: dict[str, PartInfo],
        weights: Path | None,
        device: Literal["auto", "cpu", "cuda"],
    ) -> None:
        self.folder, self.info, self.parts = folder, info, parts
        self._weights, self._device = weights, device
        self._at_hand: tuple[str, Detector] | None = None

    @classmethod
    def load(
        cls, folder: Path, *, weights: Path | None = None, device: Literal["auto", "cpu", "cuda"] = "auto"
    ) -> Expert:
        """Open an expert's folder; no network is loaded before the first `part_for`.

        Args:
            folder: The folder.
            weights: The backbone's weights, when they were given as a file in training; by default the file
                of that name in the folder.
            device: Where it runs.

        Raises:
            DataError: When it is no expert, not complete, damaged, or of a newer mmrad.
        """
        info = load_info(folder)
        parts = {}
        for category in info.categories:
            files = PartFiles(folder, part_name(info.settings, category))
            if not files.complete:
                raise DataError(
                    f"{folder}: its training is not complete, {category} is missing; run the same  "
                    "mmrad train expert  again, which goes on"
                )
            part = _read(files.info, PartInfo, _AGAIN)
            if category not in part.categories:
                raise DataError(f"{files.info}: does not know {category}; {_AGAIN}")
            parts[category] = part
        return cls(folder, info, parts, weights, device)

    @property
    def settings(self) -> ExpertSettings:
        """What it was trained with."""
        return self.info.settings

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories that it learned, `source/category` each."""
        return self.info.categories

    @property
    def geometry(self) -> Geometry:
        """What it sees of an image."""
        size = self.settings.size
        assert size is not None, "settings on disk are resolved"
        return Geometry(size, self.settings.crop)

    def calibration(self, category: str) -> Calibration:
        """What it says of the held-out normal images of a category.

        Raises:
            UsageError: When it was not trained on that category.
        """
        return self._part(category).categories[category].calibration

    def part_for(self, category: str, cache: Path | None = None) -> Detector:
        """The detector of a category, ready to judge; the last one is kept at hand.

        Args:
            category: `source/category`.
            cache: As for `make_detector`.

        Raises:
            UsageError: When it was not trained on that category, or its backbone's weights are not there.
            DataError: When its file is damaged, or the weights are others than in training.
        """
        part = self._part(category)
        if self._at_hand and self._at_hand[0] == part.sha256:
            return self._at_hand[1]
        self._at_hand = None  # two of them need not fit into memory
        detector = make_detector(self._usable, cache)
        if detector.backbone["sha256"] != self.info.backbone["sha256"]:
            raise DataError(
                f"{self.folder}: trained with other weights of {self.settings.backbone} "
                f"({_weights(self.info.backbone)}) than are here ({_weights(detector.backbone)}); "
                "give those, or train it again"
            )
        detector.restore(PartFiles(self.folder, part_name(self.settings, category)).load(part.sha256))
        self._at_hand = (part.sha256, detector)
        return detector

    def key(self) -> dict[str, Any]:
        """Everything that can change what it says of an image, as JSON values."""
        return {
            "settings": self.info.settings.model_dump(mode="json", exclude={"weights", "device"}),
            "backbone": dict(self.info.backbone),
            "geometry": {"size": self.geometry.size, "crop": self.geometry.crop},
            "parts": {category: part.sha256 for category, part in self.parts.items()},
        }

    def _part(self, category: str) -> PartInfo:
        if category not in self.parts:
            raise UsageError(
                f"{self.folder} was not trained on {category}, but on {', '.join(self.categories)}; "
                "train one on it with  mmrad train expert"
            )
        return self.parts[category]

    @cached_property
    def _usable(self) -> ExpertSettings:
        """The settings with what this machine has."""
        weights = self._weights
        if weights is None and self.settings.weights:
            weights = self.folder / self.settings.weights
            if not weights.exists():
                raise UsageError(
                    f"{self.folder} needs the weights of {self.settings.backbone} it was trained with "
                    f"({_weights(self.info.backbone)}): put the file to {weights}"
                )
        return self.settings.model_copy(update={"weights": weights, "device": self._device})


def is_expert(folder: Path) -> bool:
    """Whether a folder holds an expert, complete or not."""
    return (folder / EXPERT_FILE).is_file()


def category_of(sample: Sample) -> str:
    """The category of a sample as experts call it, `source/category`."""
    return f"{sample.source}/{sample.category}"


def part_name(settings: ExpertSettings, category: str) -> str:
    """The part that knows a category."""
    return "all" if settings.classes == "all" else category


def load_info(folder: Path) -> ExpertInfo:
    """Read the `expert.json` of a folder.

    Raises:
        DataError: When it is not there, damaged, or of a newer mmrad.
    """
    path = folder / EXPERT_FILE
    if not path.exists():
        raise DataError(f"{folder}: not an expert (no {EXPERT_FILE}); train one with  mmrad train expert")
    return _read(path, ExpertInfo, "train it again into another folder")


Read = TypeVar("Read", bound=BaseModel)


def _read(path: Path, form: type[Read], remedy: str) -> Read:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: unreadable ({error}); {remedy}") from error
    # A newer form may have fields that this one does not know: its version comes first.
    version = content.get("schema_version", SCHEMA_VERSION) if isinstance(content, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise DataError(
            f"{path}: schema {version} is newer than this mmrad reads ({SCHEMA_VERSION}); upgrade mmrad"
        )
    try:
        return form.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: {where or 'content'}: {first['msg']}; {remedy}") from error


def _weights(backbone: dict[str, str]) -> str:
    return f"{backbone['tag']}, SHA-256 {backbone['sha256'][:12]}…"
