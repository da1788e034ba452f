from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from mmrad.box import Box
from mmrad.errors import ProviderError
from mmrad.image import RGB, read_image
from mmrad.inspectors.sam import Sam
from tiny_sam import KINDS, SIDE, save_tiny_sam

WIDE = (50, 120)
"""Height and width of the picture: its sides shrink by different factors where the shape is not kept."""


def picture(shape: tuple[int, int] = WIDE) -> RGB:
    return np.random.default_rng(0).integers(0, 255, (*shape, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("sam")
    return {kind: save_tiny_sam(root / kind, kind) for kind in KINDS}


@pytest.fixture(params=KINDS)
def sam(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Sam:
    return Sam(folders[request.param], device="cpu")


def boxes_seen(sam: Sam, image: RGB, boxes: list[Box]) -> np.ndarray[Any, Any]:
    """The prompts that reach the model's prompt encoder."""
    seen = []
    hook = sam._model.prompt_encoder.register_forward_pre_hook(
        lambda _, __, kwargs: seen.append(kwargs["input_boxes"]), with_kwargs=True
    )
    sam.masks(image, boxes)
    hook.remove()
    return torch.cat(seen, dim=1)[0].numpy()


def scale_of(sam: Sam, shape: tuple[int, int]) -> np.ndarray[Any, Any]:
    """By what x and y of an image shrink: SAM keeps its shape and pads, SAM 2 squeezes it into a square."""
    height, width = shape
    if "sam2" in sam.key()["segmenter"]:
        return np.array([SIDE / width, SIDE / height] * 2)
    longest = max(shape)
    new_wh = [int(side * SIDE / longest + 0.5) for side in (width, height)]
    return np.array([new_wh[0] / width, new_wh[1] / height] * 2)


@pytest.mark.parametrize("shape", [WIDE, (120, 50), (30, 20)])
def test_boxes_reach_the_model_in_its_order_and_scale(sam: Sam, shape: tuple[int, int]) -> None:
    boxes = [Box(3, 5, 17, 19), Box(10.5, 2, 15, 9.25)]
    # Corners are the first and the last pixel: one less than where a half-open box ends.
    expected = np.array([[3, 5, 16, 18], [10.5, 2, 14, 8.25]]) * scale_of(sam, shape)
    assert boxes_seen(sam, picture(shape), boxes) == pytest.approx(expected, rel=1e-5)


def test_many_boxes_are_asked_in_order(sam: Sam) -> None:
    boxes = [Box(n, 5, n + 20, 30) for n in range(70)]
    seen = boxes_seen(sam, picture(), boxes)
    assert seen[:, 0] == pytest.approx(np.arange(70) * scale_of(sam, WIDE)[0], rel=1e-5)
    together = sam.masks(picture(), boxes)
    for number in (0, 40, 69):
        [alone] = sam.masks(picture(), [boxes[number]])
        assert (together[number] != alone).mean() < 1e-3  # sums in another order may turn a pixel at zero


class Painter:
    """A model that marks exactly its boxes, in the second of three masks, which it rates best."""

    def __init__(self, config: Any) -> None:
        self.config = config

    def __call__(
        self, pixel_values: torch.Tensor, input_boxes: torch.Tensor, multimask_output: bool
    ) -> SimpleNamespace:
        assert pixel_values.shape == (1, 3, SIDE, SIDE)
        assert multimask_output
        middles = torch.arange(SIDE) + 0.5
        masks = torch.full((1, input_boxes.shape[1], 3, SIDE, SIDE), 5.0)
        for number, (x1, y1, x2, y2) in enumerate(input_boxes[0].tolist()):
            columns, rows = (middles >= x1) & (middles <= x2), (middles >= y1) & (middles <= y2)
            masks[0, number, 1] = torch.where(rows[:, None] & columns, 5.0, -5.0)
        scores = torch.tensor([0.2, 0.9, 0.4]).expand(1, input_boxes.shape[1], 3)
        return SimpleNamespace(pred_masks=masks, iou_scores=scores)


class Flood:
    """A model that marks everything."""

    def __init__(self, config: Any) -> None:
        self.config = config

    def __call__(self, input_boxes: torch.Tensor, **_: Any) -> SimpleNamespace:
        count = input_boxes.shape[1]
        masks = torch.ones(1, count, 3, SIDE, SIDE)
        return SimpleNamespace(pred_masks=masks, iou_scores=torch.ones(1, count, 3))


@pytest.mark.parametrize("shape", [(200, 90), (90, 200), (64, 64), (301, 300)])
def test_masks_come_back_in_pixels_of_the_image(sam: Sam, shape: tuple[int, int]) -> None:
    sam._model = Painter(sam._model.config)
    height, width = shape
    shares = [Box(0.2, 0.1, 0.6, 0.5), Box(0, 0, 0.4, 0.6), Box(0.5, 0.7, 1, 1)]
    boxes = [box.scaled(width, height) for box in shares]
    masks = sam.masks(picture(shape), boxes)
    assert masks.shape == (3, *shape)
    assert masks.dtype == bool
    for box, mask in zip(boxes, masks, strict=True):
        x1, y1, x2, y2 = box.rounded()
        filled = np.zeros(shape, bool)
        filled[y1:y2, x1:x2] = True
        assert (mask & filled).sum() / (mask | filled).sum() > 0.85


def test_boxes_over_the_edge_are_cut_and_those_outside_are_empty(sam: Sam) -> None:
    height, width = WIDE
    boxes = [Box(-9, -9, 30, 30), Box(width, 0, width + 9, 9), Box(100, 40, 500, 500)]
    seen = boxes_seen(sam, picture(), boxes)
    expected = np.array([[0, 0, 29, 29], [100, 40, width - 1, height - 1]]) * scale_of(sam, WIDE)
    assert seen == pytest.approx(expected, rel=1e-5)
    assert not sam.masks(picture(), boxes)[1].any()
    assert sam.masks(picture(), []).shape == (0, *WIDE)


def test_a_mask_stays_near_its_box(sam: Sam) -> None:
    sam._model = Flood(sam._model.config)
    [mask] = sam.masks(picture(), [Box(40, 10, 60, 40)])
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    # A tenth of the box on each side.
    assert (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) == (38, 7, 62, 43)


def test_a_turned_photograph_is_seen_upright(sam: Sam, tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    stored = Image.fromarray(picture((40, 100)))
    exif = Image.Exif()
    exif[0x0112] = 6
    stored.save(path, exif=exif)
    image = read_image(path)
    assert image.shape == (100, 40, 3)
    boxes = [Box(5, 60, 30, 90)]
    assert sam.masks(image, boxes).shape == (1, 100, 40)
    expected = np.array([[5, 60, 29, 89]]) * scale_of(sam, (100, 40))
    assert boxes_seen(sam, image, boxes) == pytest.approx(expected, rel=1e-5)


def test_the_same_question_has_the_same_answer(sam: Sam, folders: dict[str, Path]) -> None:
    boxes = [Box(10, 20, 40, 45), Box(70, 3, 110, 40)]
    again = Sam(folders[sam.name], device="cpu")
    assert (sam.masks(picture(), boxes) == again.masks(picture(), boxes)).all()
    assert sam.key() == again.key()


def test_other_weights_have_another_key(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = save_tiny_sam(tmp_path / "sam", "sam")
    before = Sam(folder, device="cpu").key()
    weights = load_file(folder / "model.safetensors")
    name = next(iter(weights))
    save_file({**weights, name: weights[name] + 1}, folder / "model.safetensors", {"format": "pt"})
    assert Sam(folder, device="cpu").key() != before


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    folder = save_tiny_sam(tmp_path / "sam", "sam")
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "iou_prediction_head" not in name}
    assert len(kept) < len(weights)
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ProviderError, match=r"lacks \d+ of its weights, first mask_decoder\.iou"):
        Sam(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ProviderError, match=r"cannot load the SAM model .*model\.safetensors"):
        Sam(folder)


def test_what_is_no_sam_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="cannot load the SAM model"):
        Sam(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "resnet"}))
    with pytest.raises(ProviderError, match="is a resnet model, not one of sam, sam_hq, sam2"):
        Sam(tmp_path)
