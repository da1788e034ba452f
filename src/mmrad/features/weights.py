"""Weights of frozen networks: from a file, an installed package, the Hugging Face cache, or its hub."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmrad.errors import ProviderError, UsageError
from mmrad.features.backbones import Backbone
from mmrad.features.lite0 import PACKAGE, package_file, timm_names
from mmrad.files import sha256_of

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of a backbone.

    Attributes:
        tensors: By timm's names, floating point ones as float32.
        tag: Where they come from, as it stands beside results: timm's tag, the package, or `file`.
        sha256: Of the file that holds them.
    """

    tensors: dict[str, torch.Tensor]
    tag: str
    sha256: str


def load_weights(backbone: Backbone, path: Path | None = None) -> Weights:
    """The weights of a backbone: from a file, an installed package, or the Hugging Face cache or hub.

    Args:
        backbone: The network.
        path: A safetensors file, or a PyTorch file of tensors only, in timm's names.

    Raises:
        UsageError: When the file is not there, is damaged, or holds other things than tensors.
        MissingExtraError: When a package is not installed.
        ProviderError: When the weights cannot be had; it says which file to put where.
    """
    if path:
        tensors, tag = _read(path), "file"
    elif backbone.weights:
        path, tag = _hub_file(backbone.weights), backbone.weights
        tensors = _read(path)
    else:
        path, tag = package_file(), PACKAGE
        tensors = timm_names(_read(path))
    floats = {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}
    return Weights(floats, tag, sha256_of(path))


def _read(path: Path) -> dict[str, torch.Tensor]:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError, SafetensorError) as error:
        first_line = str(error).strip().split("\n")[0]
        raise UsageError(
            f"{path}: no readable weights ({first_line}); give a safetensors file, or a PyTorch file that "
            "holds tensors only"
        ) from error
    if not (isinstance(found, Mapping) and all(isinstance(value, torch.Tensor) for value in found.values())):
        raise UsageError(f"{path}: holds more than tensors by name; save the network's state_dict alone")
    return dict(found)


def _hub_file(tag: str) -> Path:
    """The file in the Hugging Face cache, else from the hub; `HF_HUB_OFFLINE=1` leaves the hub alone."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError  # type: ignore[attr-defined]

    repository, name = f"timm/{tag}", "model.safetensors"
    try:
        try:
            return Path(hf_hub_download(repository, name, local_files_only=True))
        except LocalEntryNotFoundError:
            # A download without network would be retried for half a minute; this fails at once.
            get_hf_file_metadata(hf_hub_url(repository, name), timeout=5)
            return Path(hf_hub_download(repository, name))
    except (OSError, HTTPError) as error:
        first_line = str(error).strip().split("\n")[0]
        raise ProviderError(
            f"the weights {tag} are neither in the Hugging Face cache nor to be had from the hub "
            f"({first_line}); fetch {repository}/{name} from the hub where there is network, put it anywhere "
            "on this machine and give it by --weights FILE; the backbone lite0 needs no download"
        ) from error
