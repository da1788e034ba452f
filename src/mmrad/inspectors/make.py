"""Make an inspector from the name a user gives."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from mmrad.errors import DataError, MissingExtraError
from mmrad.inspectors.base import InspectionSettings, Inspector
from mmrad.prompt import load_prompts
from mmrad.view import FACTOR, Budget

NANO = "anomaly-r1-nano"
UNTRAINED = f"{NANO}-untrained"
BUNDLED = (NANO, UNTRAINED)


def bundled_nano() -> Path:
    """Folder of the nano model that ships with the package.

    Raises:
        DataError: When the installation lacks it.
    """
    folder = Path(str(resources.files("mmrad").joinpath("weights", NANO)))
    if not (folder / "model.safetensors").exists():
        raise DataError(
            f"{folder}: the nano model is not there; train it with  mmrad train sft recipes/nano.toml"
        )
    return folder


def make_inspector(
    model: str,
    settings: InspectionSettings,
    *,
    base_url: str | None = None,
    batch_size: int = 16,
    concurrency: int = 16,
) -> Inspector:
    """Make the inspector that `--model` names.

    Args:
        model: A bundled model, a folder with a local model, or with `base_url` a name the endpoint knows.
        settings: How to ask; a local model says itself (`mmrad.json`) by which prompts, how large its views
            are and how long its answers, since it knows no other.
        base_url: An OpenAI-compatible endpoint.
        batch_size: Queries at once for a local model.
        concurrency: Requests at once for an endpoint.
    """
    if base_url is not None:
        from mmrad.endpoint import Endpoint
        from mmrad.inspectors.openai_api import OpenAIInspector

        return OpenAIInspector(Endpoint(model, base_url, concurrency=concurrency), settings)
    folder: str | Path = bundled_nano() if model in BUNDLED else model
    try:
        from mmrad.inspectors.local import LocalInspector
    except ImportError as error:
        raise MissingExtraError(error.name or "transformers", "local") from error
    return LocalInspector(
        folder,
        settings_beside(folder, settings),
        batch_size=batch_size,
        name=Path(model).name,
        untrained=model == UNTRAINED,
    )


def settings_for(
    settings: InspectionSettings, *, prompts: str, max_pixels: int, max_tokens: int
) -> InspectionSettings:
    """The settings with what a recipe's `[asking]` table, or the `mmrad.json` made of it, says."""
    return replace(
        settings,
        prompts=load_prompts(prompts),
        budget=Budget(min_pixels=FACTOR * FACTOR, max_pixels=max_pixels),
        max_tokens=max_tokens,
    )


def settings_beside(folder: str | Path, settings: InspectionSettings) -> InspectionSettings:
    """The settings with what the `mmrad.json` that training put beside a model's weights says."""
    path = Path(folder) / "mmrad.json"
    if not path.exists():
        return settings
    try:
        asking: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return settings_for(settings, **asking)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{path}: unreadable ({error!r}); remove it to use the command's own settings"
        ) from error
