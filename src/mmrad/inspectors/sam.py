"""Masks from boxes by a Segment Anything model (SAM, SAM-HQ or SAM 2), run by transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import (
    AutoConfig,
    Sam2Model,
    Sam2Processor,
    SamHQModel,
    SamHQProcessor,
    SamModel,
    SamProcessor,
)

from mmrad.box import Box
from mmrad.errors import ProviderError
from mmrad.image import RGB

_CLASSES: dict[str, tuple[Any, Any]] = {
    "sam": (SamModel, SamProcessor),
    "sam_hq": (SamHQModel, SamHQProcessor),
    "sam2": (Sam2Model, Sam2Processor),
    "sam2_video": (Sam2Model, Sam2Processor),  # what the published SAM 2 checkpoints call themselves
}
"""Model and processor by the type that a configuration names."""

MARGIN = 0.1
"""How far outside a box its mask may reach, as a share of the box's sides: what a model marks further away is
another thing, most often the whole product."""

_BOXES = 32
"""Boxes of an image at once; each takes a few megabytes for every megapixel of the image."""


class Sam:
    """Turn boxes into masks.

    For each box the model proposes three masks, from parts to the whole; the one that it predicts the highest
    IoU for is taken. The same image and boxes give the same masks.

    Args:
        model: Folder with the model and its processor, or a name on a model hub, such as
            `facebook/sam-vit-base` or `facebook/sam2.1-hiera-tiny`.
        device: torch device; the GPU when there is one, else the CPU.

    Raises:
        ProviderError: When the model cannot be loaded, lacks weights or is of another class.
    """

    def __init__(self, model: str | Path, *, device: str | None = None) -> None:
        self.name = Path(str(model)).name
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._model, self._processor = _load(model)
        self._model.to(self.device).eval()

    def key(self) -> dict[str, Any]:
        """Everything besides image and boxes that can change a mask."""
        weights = sum(float(p.detach().double().abs().sum()) for p in self._model.parameters())
        kind = self._model.config.model_type
        return {"segmenter": kind, "model": self.name, "weights": f"{weights:.6e}", "margin": MARGIN}

    def masks(self, image: RGB, boxes: Sequence[Box]) -> NDArray[np.bool_]:
        """The mask of each box.

        Args:
            image: Shape `(height, width, 3)`, upright.
            boxes: N boxes in pixels of the image; what lies outside it is cut off.

        Returns:
            Array of shape `(N, height, width)`. A mask is empty where its box lies outside the image or the
            model marks nothing near it.
        """
        height, width = image.shape[:2]
        masks = np.zeros((len(boxes), height, width), dtype=bool)
        inside = [(n, box) for n, full in enumerate(boxes) if (box := full.clipped((width, height)))]
        for start in range(0, len(inside), _BOXES):
            numbers, prompts = zip(*inside[start : start + _BOXES], strict=True)
            for number, box, mask in zip(numbers, prompts, self._ask(image, prompts), strict=True):
                rows, columns = _near(box)
                masks[number, rows, columns] = mask[rows, columns]
        return masks

    @torch.inference_mode()
    def _ask(self, image: RGB, boxes: Sequence[Box]) -> NDArray[np.bool_]:
        """Masks of shape `(N, height, width)` as the model gives them."""
        prompts = [[_corner_pixels(box) for box in boxes]]
        inputs = self._processor(images=Image.fromarray(image), input_boxes=prompts, return_tensors="pt")
        output = self._model(
            pixel_values=inputs["pixel_values"].to(self.device),
            input_boxes=inputs["input_boxes"].to(self.device, torch.float32),
            multimask_output=True,
        )
        best = output.iou_scores[0].argmax(dim=-1)  # of shape (N,)
        # One of three is enlarged to the size of the image, not all.
        each = torch.arange(len(boxes), device=best.device)
        chosen = output.pred_masks[0][each, best].unsqueeze(1).cpu()
        sizes = {name: inputs[name] for name in ("original_sizes", "reshaped_input_sizes") if name in inputs}
        [masks] = self._processor.post_process_masks([chosen], **sizes)
        return np.asarray(masks[:, 0].numpy(), dtype=bool)


def _corner_pixels(box: Box) -> list[float]:
    """The first and the last pixel of a box, which is what these models know as its corners.

    Their prompt encoder adds half a pixel to get the centres of pixels (`_embed_boxes` in transformers).
    """
    return [box.x1, box.y1, max(box.x1, box.x2 - 1), max(box.y1, box.y2 - 1)]


def _near(box: Box) -> tuple[slice, slice]:
    """Rows and columns of a box and of the margin around it."""
    dx, dy = MARGIN * (box.x2 - box.x1), MARGIN * (box.y2 - box.y1)
    x1, y1, x2, y2 = Box(max(0.0, box.x1 - dx), max(0.0, box.y1 - dy), box.x2 + dx, box.y2 + dy).rounded()
    return slice(y1, y2), slice(x1, x2)


def _load(model: str | Path) -> tuple[Any, Any]:
    try:
        kind = AutoConfig.from_pretrained(model).model_type
        if kind not in _CLASSES:
            raise ProviderError(
                f"{str(model)!r} is a {kind} model, not one of {', '.join(_CLASSES)}; "
                "give one such as facebook/sam-vit-base"
            )
        model_class, processor_class = _CLASSES[kind]
        processor = processor_class.from_pretrained(model)
        loaded, report = model_class.from_pretrained(
            model, dtype=torch.float32, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ProviderError(
            f"cannot load the SAM model {str(model)!r}: {reason}; give a folder with config.json, "
            "preprocessor_config.json and model.safetensors, or a name on the Hugging Face hub"
        ) from error
    # transformers fills in random numbers for what a file lacks, and only logs it.
    if missing := sorted(report["missing_keys"]):
        raise ProviderError(
            f"{str(model)!r} lacks {len(missing)} of its weights, first {missing[0]}: download it again"
        )
    return loaded, processor
