"""Reinforcement learning of a tiny model, for tests."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from finetuned import write_start
from mmrad.corpus import Corpus
from mmrad.inspectors.base import InspectionSettings
from mmrad.teach.wrong import ScriptedNegatives
from mmrad.train.examples.scripted import ScriptedExamples
from mmrad.train.models import load_model
from mmrad.train.recipe import Asking, Base, Data, Lora, Recipe, Reinforcement, settings_from
from mmrad.train.reinforcement.grpo import make_trainer
from mmrad.train.reinforcement.rollout import ContrastiveTrainer

ASKING = Asking(max_tokens=28, reasoning=False)
"""Answers without reasoning are short, and so sampled fast."""


def contrasting_examples(corpus: Corpus, settings: InspectionSettings | None = None) -> ScriptedExamples:
    """Examples with texts that answer wrongly."""
    negatives = ScriptedNegatives({"part": ["stain", "dent"]}, lambda one, other: float(one == other))
    pairs = corpus.pairs(corpus.samples)
    return ScriptedExamples(pairs, settings or settings_from(ASKING), seed=0, negatives=negatives)


def grpo_recipe(*, lora: Lora | None = None, checkpointing: bool = False, **changes: Any) -> Recipe:
    """3 rollouts of 4 queries with 4 responses, each for 2 updates."""
    settings = {
        "steps": 6, "prompts": 4, "responses": 4, "updates": 2, "micro_batch": 4, "max_tokens": 28,
        "learning_rate": 3e-3, "warmup": 0.0, "save_steps": 2, "logging_steps": 1, "sample_steps": 0,
    }  # fmt: skip
    base = Base(path="unused", lora=lora, checkpointing=checkpointing) if lora or checkpointing else None
    part = Reinforcement(**{**settings, **changes})
    return Recipe(name="tiny", data=Data(texts="fresh"), asking=ASKING, base=base, grpo=part)


def made_trainer(recipe: Recipe, examples: ScriptedExamples, folder: Path) -> ContrastiveTrainer:
    """The trainer of a recipe, on an untrained model."""
    start = folder / "start"
    model, processor = load_model(start if start.exists() else write_start(examples, start))
    assert recipe.grpo is not None
    trainer = make_trainer(recipe, recipe.grpo, examples, folder / "grpo", model=model, processor=processor)
    model.train()
    return trainer


def next_rows(trainer: ContrastiveTrainer) -> list[dict[str, Any]]:
    """What the trainer reads for its next rollout."""
    rows: list[dict[str, Any]] = next(iter(trainer.get_train_dataloader()))
    return rows


def disturb(seed: int) -> None:
    """Bring the random numbers of Python and torch into another state."""
    import torch

    torch.manual_seed(seed)
    random.seed(seed)
