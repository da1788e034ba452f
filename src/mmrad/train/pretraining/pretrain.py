"""A nano model, from nothing or from another: stages of transformers' Trainer, each from the model before."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import (
    Trainer,
    TrainingArguments,
)

from mmrad.errors import UsageError
from mmrad.files import write_text
from mmrad.train.checkpoints import MarkWhole, Resuming, latest_checkpoint
from mmrad.train.claim import claim
from mmrad.train.devices import fit_to_device, has_fast_bf16
from mmrad.train.examples.example import Example, Examples
from mmrad.train.examples.scripted import ScriptedExamples
from mmrad.train.models import load_model, save_model
from mmrad.train.pretraining.features import patch_features
from mmrad.train.pretraining.muon import Muon, Part
from mmrad.train.pretraining.nano import build_nano, train_tokenizer, whiten_patches
from mmrad.train.pretraining.objectives import Features, Objective, Pairs, Texts, finding_parts
from mmrad.train.pretraining.seeing import prepare_tower
from mmrad.train.recipe import Pretraining, Recipe, Stage, seed_of

TOKENIZER_TEXTS = 4000
"""How many texts the tokenizer of a new model is trained on."""

STAGE_FILE = "stage.json"

PATCH_IMAGES = 200
"""From how many images the patch embedding of a new model is made."""


def pretrain(
    recipe: Recipe,
    examples: Examples,
    out: Path,
    *,
    start: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Train a nano model; called again after an interruption, it goes on from its last checkpoint.

    Args:
        recipe: The recipe.
        examples: What to train on.
        out: Folder for checkpoints and the result.
        start: A trained model to go on from, see `load_model`; None takes that of `[base]`, or builds a new
            one of the size in `[nano]`.
        progress: Called with images done and images in all while features are computed.

    Returns:
        `out/model`: weights as safetensors, processor, and `mmrad.json` (how the model wants to be asked).

    Raises:
        UsageError: When the recipe makes no model, or the folder was begun with another recipe.
    """
    start = start or (recipe.base.path if recipe.base else None)
    if recipe.pretraining is None or not (start or recipe.nano):
        raise UsageError(
            f"the recipe {recipe.name!r} makes no model: that takes [pretraining], and [nano] or [base]"
        )
    if not isinstance(examples, ScriptedExamples):
        raise UsageError(f'the recipe {recipe.name!r} pretrains a model: set data.texts = "fresh"')
    _claim(out, recipe, recipe.pretraining)
    if not (out / "untrained").exists():
        model, processor = load_model(start) if start else _built(recipe, examples)
        save_model(model, processor, recipe.asking, out / "untrained", dtype=torch.float32)
    latest = out / "untrained"
    for number, stage in enumerate(recipe.pretraining.stages, start=1):
        folder = out / f"{number}-{stage.objective}"
        if not _done(folder, stage):
            _train(recipe, recipe.pretraining, stage, examples, latest, folder, progress)
        latest = folder / "model"
    save_model(*load_model(latest), recipe.asking, out / "model")
    return out / "model"


def _train(
    recipe: Recipe,
    training: Pretraining,
    stage: Stage,
    examples: ScriptedExamples,
    start: Path,
    folder: Path,
    progress: Callable[[int, int], None] | None,
) -> None:
    """One stage, from the model in `start` to `folder/model`; `folder/stage.json` says that it is done."""
    model, processor = load_model(start)
    examples = examples if stage.reasoning else examples.without_reasoning()
    objective = _objective(stage, examples, model, processor, folder, progress)
    model.heads = objective.heads(model.config.text_config.hidden_size)
    prepare_tower(model.model.visual)
    model.model.visual.requires_grad_(not stage.freeze_vision)
    fit_to_device(model)
    trainer = _Trainer(
        objective,
        lower_rate=stage.lower_rate,
        model=model,
        args=_arguments(training, stage, folder / "checkpoints"),
        callbacks=[MarkWhole()],
    )
    checkpoint = latest_checkpoint(folder / "checkpoints")
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    save_model(model, processor, recipe.asking, folder / "model", dtype=torch.float32)
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    write_text(folder / "losses.jsonl", "".join(json.dumps(entry) + "\n" for entry in history))
    write_text(folder / STAGE_FILE, stage.model_dump_json() + "\n")


def _objective(
    stage: Stage,
    examples: ScriptedExamples,
    model: Any,
    processor: Any,
    folder: Path,
    progress: Callable[[int, int], None] | None,
) -> Objective:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if stage.objective == "features":
        images = [pair.image for pair in examples.pairs]
        sizes_wh = [examples.views[image].size_wh for image in images]
        cache = folder / "features.safetensors"  # 480 bytes a patch
        features = patch_features(images, sizes_wh, cache, progress=progress)
        return Features(examples, features, processor, device)
    if stage.objective == "pairs":
        return Pairs(examples, processor, model.model.get_rope_index, device)
    return Texts(examples, processor, model.model.get_rope_index)


def _done(folder: Path, stage: Stage) -> bool:
    """Whether the stage is trained; one that has got more steps since is not."""
    path = folder / STAGE_FILE
    return path.exists() and path.read_text("utf-8") == stage.model_dump_json() + "\n"


def _claim(out: Path, recipe: Recipe, pretraining: Pretraining) -> None:
    """Refuse a folder of another training; only the last stage may get more steps.

    Raises:
        UsageError: When the folder was begun with another recipe.
    """
    settings: dict[str, Any] = recipe.model_dump(mode="json", exclude={"sft", "grpo"})
    settings["pretraining"] = pretraining.model_dump(mode="json")
    settings["pretraining"]["stages"][-1].pop("steps")
    claim(out, settings)


def _built(recipe: Recipe, examples: ScriptedExamples) -> tuple[Any, Any]:
    """A new model, with a tokenizer for the texts and a patch embedding for the images of the examples."""
    size = recipe.nano
    assert size, "asked for by the caller"
    examples.set_epoch(0)
    chosen = [examples[index] for index in _spread(len(examples), TOKENIZER_TEXTS)]
    texts = [text for example in chosen for text in _texts(example)]
    model, processor = build_nano(train_tokenizer(texts, size), size, seed=seed_of(recipe))
    images = [example.query.image for example in chosen[:PATCH_IMAGES]]
    patches = processor.image_processor(
        images, do_resize=False, input_data_format="channels_last", return_tensors="pt"
    )
    whiten_patches(model, patches["pixel_values"])
    return model, processor


def _spread(count: int, wanted: int) -> range:
    """About `wanted` of the numbers below `count`, evenly spaced."""
    return range(0, count, max(1, count // wanted))


def _texts(example: Example) -> list[str]:
    said = [part for message in example.messages for part in message.parts if isinstance(part, str)]
    return [example.completion, *said]


class _Readings(Dataset[Any]):
    """All readings of a stage as one epoch, so that the processes that read are started once.

    Args:
        dataset: What is read, in another form in each epoch of the examples.
        examples: The examples behind it.
        count: How many readings.
    """

    def __init__(self, dataset: Dataset[Any] | range, examples: ScriptedExamples, count: int) -> None:
        self.dataset = dataset
        self.examples = examples
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Any:
        epoch, index = divmod(number, len(self.examples))
        self.examples.set_epoch(epoch)
        return self.dataset[index]


class _Trainer(Resuming, Trainer):
    """Minimises an objective by Muon.

    Args:
        objective: The objective.
        lower_rate: See `Stage`.
        arguments: Those of transformers' trainer.
    """

    def __init__(self, objective: Objective, *, lower_rate: float, **arguments: Any) -> None:
        wanted = arguments["args"].max_steps * arguments["args"].per_device_train_batch_size
        super().__init__(
            train_dataset=_Readings(objective.dataset(), objective.examples, wanted),
            data_collator=objective.collate,
            **arguments,
        )
        self.objective: Objective = objective
        self.lower_rate = lower_rate

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss of the objective."""
        with torch.autocast(self.args.device.type, torch.bfloat16, enabled=self.args.bf16):
            return self.objective.loss(model, inputs)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Muon for the linear layers of the model, AdamW for embeddings, norms, biases and heads."""
        if self.optimizer is None:
            network: Any = self.model
            rate = self.args.learning_rate
            lower = {id(weight) for part in finding_parts(network) for weight in part.parameters()}
            weights = [weight for weight in network.parameters() if weight.requires_grad]
            self.optimizer = Muon(
                _part(network, [weight for weight in weights if id(weight) not in lower], rate),
                _part(network, [weight for weight in weights if id(weight) in lower], self.lower_rate * rate),
                weight_decay=self.args.weight_decay,
            )
        return self.optimizer


def _part(network: Any, weights: Sequence[torch.nn.Parameter], rate: float) -> Part:
    """Weights of a model at a rate: those of its linear layers, and the others."""
    whole = network.model
    layers = [whole.visual.blocks, whole.visual.merger, whole.language_model.layers]
    linear = {id(weight) for part in layers for weight in part.parameters() if weight.ndim == 2}
    matrices = [weight for weight in weights if id(weight) in linear]
    return Part(matrices, [weight for weight in weights if id(weight) not in linear], rate)


def _arguments(training: Pretraining, stage: Stage, folder: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=stage.steps,
        per_device_train_batch_size=stage.batch_size,
        learning_rate=stage.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=stage.warmup_steps,
        weight_decay=training.weight_decay,
        max_grad_norm=1.0,
        seed=training.seed,
        data_seed=training.seed,
        logging_nan_inf_filter=False,  # a loss that is no number is shown, and no GPU waits for the question
        bf16=has_fast_bf16(),
        use_cpu=not torch.cuda.is_available(),
        logging_steps=training.logging_steps,
        save_steps=training.save_steps,
        save_total_limit=2,
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=False,
        dataloader_num_workers=training.workers,
    )
