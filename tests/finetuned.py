"""A tiny model to fine-tune and what goes with it, for tests of trainings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmrad.corpus import Corpus
from mmrad.train.examples.example import Examples
from mmrad.train.examples.scripted import ScriptedExamples
from mmrad.train.models import save_model
from mmrad.train.pretraining.nano import NanoSize, build_nano, train_tokenizer
from mmrad.train.recipe import Asking, Base, Data, Lora, Recipe, Supervised, settings_from

TINY = NanoSize(
    text_width=32, text_layers=1, text_heads=2, text_mlp=64,
    vision_width=32, vision_layers=1, vision_heads=2, vision_mlp=32, vocabulary=1600,
)  # fmt: skip

ASKING = Asking(max_tokens=24)


def fresh_examples(corpus: Corpus) -> ScriptedExamples:
    """Examples that are other ones in each epoch."""
    return ScriptedExamples(corpus.pairs(corpus.samples), settings_from(ASKING), seed=0)


def write_start(examples: Examples, folder: Path) -> Path:
    """A tiny untrained model whose tokenizer knows the texts of the examples."""
    texts = []
    for index in range(len(examples)):
        example = examples[index]
        said = [part for message in example.messages for part in message.parts if isinstance(part, str)]
        texts += [example.completion, *said]
    save_model(*build_nano(train_tokenizer(texts, TINY), TINY, seed=0), ASKING, folder)
    return folder


def sft_recipe(*, lora: Lora | None = None, checkpointing: bool = False, **changes: Any) -> Recipe:
    """12 updates of 4; 12 examples make 3 updates an epoch, so that checkpoints lie within epochs."""
    settings = {
        "steps": 12, "batch": 4, "micro_batch": 2, "learning_rate": 1e-2,
        "save_steps": 4, "logging_steps": 3, "sample_steps": 6,
    }  # fmt: skip
    base = Base(path="unused", lora=lora, checkpointing=checkpointing) if lora or checkpointing else None
    part = Supervised(**{**settings, **changes})
    return Recipe(name="tiny", data=Data(texts="fresh"), asking=ASKING, base=base, sft=part)


def logged(folder: Path) -> list[dict[str, Any]]:
    """The lines of a training's log without their times."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text("utf-8").splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]
