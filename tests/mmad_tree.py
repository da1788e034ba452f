"""A small folder in MMAD's raw layout, and what a server knows of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mmrad.image import encode_png

BOTTLE = "DS-MVTec/bottle/image"
CANDLE = "VisA/candle/test"

IMAGES = (f"{BOTTLE}/good/000.png", f"{BOTTLE}/broken_large/000.png", f"{CANDLE}/bad/001.png")
RANDOM, SIMILAR = "MVTec-AD/bottle/train/good/001.png", "MVTec-AD/bottle/train/good/002.png"


def mmad_tree(root: Path) -> Path:
    """Three images of two datasets with eight questions; no image is square."""
    for number, name in enumerate((*IMAGES, RANDOM, SIMILAR)):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(np.full((56, 84, 3), 40 * number, np.uint8)))
    content = {
        IMAGES[0]: entry(detection("B"), ask("Object Details", "What colour is it?", "Green.", "Blue.")),
        IMAGES[1]: entry(
            detection("A"),
            ask("Defect Classification", "Which kind is it?", "Dent.", "Broken.", "Hole.", answer="B"),
            ask("Object Structure", "How many parts has it?", "One.", "Two."),
        ),
        IMAGES[2]: entry(
            detection("A"),
            ask("Object Details", "What is on top?", "A wick.", "A flower."),
            ask("Defect Localization", "Where is it?", "Top left.", "Center.", "Bottom.", answer="C"),
        ),
    }
    (root / "mmad.json").write_text(json.dumps(content), encoding="utf-8")
    return root


def entry(*conversation: dict[str, Any]) -> dict[str, Any]:
    return {
        "mask_path": "",
        "random_templates": [RANDOM, SIMILAR],
        "similar_templates": [SIMILAR, RANDOM],
        "conversation": list(conversation),
    }


def detection(answer: str) -> dict[str, Any]:
    return ask("Anomaly Detection", "Is there any defect?", "Yes.", "No.", answer=answer)


def ask(kind: str, question: str, *options: str, answer: str = "A") -> dict[str, Any]:
    letters = dict(zip("ABCDE", options, strict=False))
    return {"type": kind, "Question": question, "Options": letters, "Answer": answer}
