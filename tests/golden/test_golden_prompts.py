"""What is said to models, frozen: answers, paid texts and the bundled model depend on every byte of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from mmrad.answer import Instance
from mmrad.box import Box
from mmrad.coordinates import CoordinateSpace
from mmrad.prompt import BUILT_IN, Hint, Message, load_prompts
from mmrad.view import View

FROZEN: dict[str, str] = json.loads(Path(__file__).with_name("prompts.json").read_text("utf-8"))
"""Start of the SHA-256 of the messages, by what was asked; to be changed only on purpose."""


def view(width: int, height: int, original_wh: tuple[int, int]) -> View:
    return View(np.zeros((height, width, 3), np.uint8), original_wh)


QUERY = view(84, 56, (100, 70))
REFERENCES = (view(56, 28, (60, 30)), view(28, 56, (31, 62)))
KNOWLEDGE = ("bottle", ["crack", "5 $ mark"])
TRUTH = [Instance(Box(1.2, 2, 3, 4), "dent"), Instance(Box(5, 6, 7, 8), "$hint")]


def inspections(name: str) -> dict[str, list[Message]]:
    """Every way of asking for a verdict with a set of prompts."""
    prompts = load_prompts(name)
    return {
        " ".join([name, space.value, how, told, str(count), *(["confidence"] if confidence else [])]): (
            prompts.inspection(
                QUERY,
                REFERENCES[:count],
                reasoning=how == "reasoning",
                domain_knowledge=KNOWLEDGE if told == "knowledge" else None,
                space=space,
                confidence=confidence,
            )
        )
        for space in CoordinateSpace
        for how in ("reasoning", "answer")
        for told in ("knowledge", "plain")
        for count in range(len(REFERENCES) + 1)
        for confidence in (False, True)
    }


def hinted(name: str) -> dict[str, list[Message]]:
    """Every way of telling a hint with a set of prompts."""
    prompts = load_prompts(name)
    details = [(view(56, 56, (40, 40)), view(28, 56, (20, 40)))] * 2
    return {
        f"{name} {space.value} hint {told} {'alarm' if alarm else 'no alarm'} {count}": prompts.inspection(
            QUERY,
            REFERENCES[:count],
            space=space,
            hint=Hint((Box(10, 20, 30.4, 40), Box(0, 0, 100, 70)), alarm),
            details=[views[: 1 + (count > 0)] for views in details] if told == "crops" else (),
        )
        for space in CoordinateSpace
        for told in ("text", "crops")
        for alarm in (False, True)
        for count in range(len(REFERENCES) + 1)
    }


def teachings(name: str) -> dict[str, list[Message]]:
    """Every way of asking for a text with a set of prompts."""
    prompts = load_prompts(name)
    return {
        f"{name} teacher anomalous": prompts.teacher(QUERY, REFERENCES[:1], TRUTH),
        f"{name} teacher normal": prompts.teacher(QUERY, REFERENCES[:1], []),
        f"{name} opposite of anomalous": prompts.opposite(QUERY, REFERENCES[:1], anomalous=True),
        f"{name} opposite of normal": prompts.opposite(QUERY, REFERENCES[:1], anomalous=False),
    }


ASKED = {
    key: messages
    for name in BUILT_IN
    for key, messages in (inspections(name) | hinted(name) | teachings(name)).items()
}


def digest(messages: list[Message]) -> str:
    said = [
        [
            message.role,
            [
                part if isinstance(part, str) else "image {}x{}".format(*part.size_wh)
                for part in message.parts
            ],
        ]
        for message in messages
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


@pytest.mark.parametrize("key", ASKED)
def test_not_a_byte_is_said_differently(key: str) -> None:
    assert digest(ASKED[key]) == FROZEN[key]


def test_every_frozen_prompt_is_still_asked() -> None:
    assert FROZEN.keys() == ASKED.keys()


@pytest.mark.parametrize("name", BUILT_IN)
def test_no_two_ways_of_asking_are_alike(name: str) -> None:
    asked = [FROZEN[key] for key in inspections(name) | hinted(name)]
    assert len(set(asked)) == len(asked)
