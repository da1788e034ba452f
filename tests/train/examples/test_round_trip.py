"""The truth of every kind of factory sample, through the real processor, the grammar and back."""

import random
import warnings

import numpy as np
import pytest

from mmrad.answer import Instance, render
from mmrad.box import Box
from mmrad.factory import CATALOGUE
from mmrad.factory import render as render_product
from mmrad.inspectors.base import verdict_from_text
from mmrad.inspectors.chat import encode
from mmrad.prompt import load_prompts
from mmrad.train.pretraining.nano import NanoSize, build_nano, train_tokenizer
from mmrad.view import Budget, make_view

CASES = [
    (category, anomaly)
    for categories in CATALOGUE.values()
    for category, anomalies in categories.items()
    for anomaly in list(anomalies)[:2]
]


@pytest.fixture(scope="module")
def processor():
    size = NanoSize(text_width=32, text_layers=1, vision_width=32, vision_layers=1)
    return build_nano(train_tokenizer(["Is there an anomaly?"], size), size, seed=0)[1]


@pytest.mark.parametrize(("category", "anomaly"), CASES)
def test_truth_survives_processor_grammar_and_view(category, anomaly, processor):
    made = render_product(category, np.random.default_rng(3), anomaly)
    boxes = []
    for instance in made.instances:
        rows, columns = np.nonzero(instance.mask)
        boxes.append(Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    view = make_view(made.image, Budget(min_pixels=512 * 512, max_pixels=768 * 28 * 28))
    batch = encode(processor, [load_prompts("brief").inspection(view, [view])])
    for _, patches_high, patches_wide in batch["image_grid_thw"].tolist():
        assert (patches_wide * 14, patches_high * 14) == view.size_wh, "the processor resized the view"
    random.seed(0)
    text = render("seen", [Instance(view.to_view(box), anomaly) for box in boxes])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verdict = verdict_from_text(text, view)
    assert verdict.status == "ok"
    assert len(verdict.regions) == len(boxes)
    for region, box in zip(verdict.regions, boxes, strict=True):
        assert region.box.iou(box) > 0.95
