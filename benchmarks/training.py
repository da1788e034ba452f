"""What a training step takes.

    python benchmarks/training.py [--pairs 12]
    python benchmarks/training.py --random 3b [--view 756] [--micro-batch 4] [--tokens 128]

Without `--random`: GRPO on the bundled nano, with made-up photographs. Steps of TRL's own trainer and of
mmrad's, which judges, plans and counts groups, take turns with the same responses, none of them replaced;
prints the ratio of their times, and the share of the time that reading takes.

With `--random`: SFT and GRPO with LoRA on a GPU, for a Qwen2.5-VL with the sizes of the 3B or 7B model,
random weights in bfloat16 and the bundled nano's tokenizer; prints seconds of a step, tokens a second and the
peak of memory. Random weights hardly ever end a response: it has the full length. No hub is asked.
"""

from __future__ import annotations

import argparse
import copy
import gc
import statistics
import tempfile
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from transformers import (
    PrinterCallback,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    TrainerCallback,
    set_seed,
)
from trl.trainer.grpo_trainer import GRPOTrainer

from mmrad.box import Box
from mmrad.inspectors.base import InspectionSettings
from mmrad.sample import Pair, Region, Sample
from mmrad.train.devices import fit_to_device
from mmrad.train.examples.example import Example
from mmrad.train.lora import with_adapters
from mmrad.train.models import load_model
from mmrad.train.recipe import Asking, Base, Data, Lora, Recipe, Reinforcement, Supervised, settings_from
from mmrad.train.reinforcement.grpo import make_trainer
from mmrad.train.reinforcement.queries import QueryReader
from mmrad.train.reinforcement.rollout import _seed
from mmrad.train.sft import _arguments, _Trainer
from mmrad.view import read_view

NANO = Path(str(resources.files("mmrad").joinpath("weights", "anomaly-r1-nano")))

VISION = {
    "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "patch_size": 14,
    "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31],
}  # fmt: skip
TEXT = {
    "3b": {
        "hidden_size": 2048, "num_hidden_layers": 36, "num_attention_heads": 16, "num_key_value_heads": 2,
        "intermediate_size": 11008, "vocab_size": 151936, "tie_word_embeddings": True,
    },
    "7b": {
        "hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
        "intermediate_size": 18944, "vocab_size": 152064, "tie_word_embeddings": False,
    },
    "tiny": {
        "hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
        "intermediate_size": 128, "vocab_size": 4096, "tie_word_embeddings": True,
    },
}  # fmt: skip
"""Sizes of Qwen2.5-VL by name, from its published configurations; `tiny` tries this script on a CPU."""

TEXT_TOKENS = 160
"""Length of the texts that are learned, about that of the corpus's."""


class Photographs:
    """Made-up queries and references as PNG files, every second anomalous, read anew each time.

    Args:
        folder: Gets the files.
        count: How many queries.
        side: Of the files, in pixels.
        settings: How the model is asked.
        text: What should be answered.
    """

    def __init__(self, folder: Path, count: int, side: int, settings: InspectionSettings, text: str) -> None:
        self.settings, self._text = settings, text
        paths, samples = [], []
        rng = np.random.default_rng(0)
        box = Box(side // 4, side // 4, side // 2, side // 2)
        for number in range(count):
            coarse = rng.integers(0, 255, (side // 16, side // 16, 3), np.uint8)
            path = folder / f"{number}.png"
            cv2.imwrite(str(path), cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC))
            paths.append(path)
            regions = (Region(box, "scratch"),) if number % 2 else ()
            name, size_wh = f"made/{number}", (side, side)
            samples.append(Sample(name, "made", "part", "test", path.name, size_wh, regions, "CC0-1.0"))
        self.samples: Sequence[Sample] = samples
        self.pairs: Sequence[Pair] = [
            Pair(sample, paths[at], (paths[at - 1],)) for at, sample in enumerate(samples)
        ]

    def __len__(self) -> int:
        return len(self.samples)

    def set_epoch(self, epoch: int) -> None:
        """The same in all epochs."""

    def __getitem__(self, index: int) -> Example:
        pair, budget = self.pairs[index], self.settings.budget
        sample = pair.sample
        query, reference = (read_view(path, budget) for path in (pair.image, *pair.references))
        boxes = tuple(query.to_view(region.box) for region in sample.regions)
        return Example(sample, self.settings.messages(sample, query, [reference]), self._text, boxes)


class Clock(TrainerCallback):
    """Times the updates of a training and what lies between them, where batches are read.

    Each time is a pair: seconds that passed, and those that this process computed.
    """

    def __init__(self) -> None:
        self.updates: list[tuple[float, float]] = []
        self.reading: list[tuple[float, float]] = []
        self._last = (0.0, 0.0)

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        """Reading begins."""
        self._lap()

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Reading ends."""
        self.reading.append(self._lap())

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """An update ends."""
        self.updates.append(self._lap())

    def _lap(self) -> tuple[float, float]:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        (wall, cpu), self._last = self._last, (time.perf_counter(), time.process_time())
        return self._last[0] - wall, self._last[1] - cpu


class PlainTrainer(GRPOTrainer):
    """TRL's, that samples from the random numbers that mmrad's samples from."""

    def _generate_single_turn(self, *arguments: Any, **keywords: Any) -> Any:
        set_seed(_seed(self.args.seed, 0, 0))
        trl: Any = super()
        return trl._generate_single_turn(*arguments, **keywords)


def compare_steps(folder: Path, pairs: int) -> None:
    """Time rollouts, with their updates, of TRL's trainer and of mmrad's, in turn."""
    # The learning rate keeps the model, and so the responses, the same.
    part = Reinforcement(
        steps=4, prompts=8, responses=8, updates=4, micro_batch=16, max_tokens=64, learning_rate=1e-30,
        save_steps=1000, logging_steps=1000, sample_steps=0,
    )  # fmt: skip
    recipe = Recipe(name="nano", data=Data(), asking=Asking(max_pixels=140 * 140), grpo=part)
    # Texts too long to be put among the responses: planned for, never used.
    examples = Photographs(folder, 64, 512, settings_from(recipe.asking), "scratch " * 200)
    clocks = Clock(), Clock()
    (model, processor), (other, _) = load_model(NANO), load_model(NANO)
    for one in (model, other):
        fit_to_device(one)
    ours: Any = make_trainer(
        recipe, part, examples, folder, model=model, processor=processor, callbacks=[clocks[0]]
    )
    arguments = copy.copy(ours.args)
    arguments.shuffle_dataset = False
    plain: Any = PlainTrainer(
        model=other,
        reward_funcs=ours.reward_funcs,
        args=arguments,
        train_dataset=ours.train_dataset.select(ours._order.queries_of(0)),
        processing_class=ours.processing_class,
        callbacks=[clocks[1]],
    )
    plain.data_collator = QueryReader(examples)
    plain.remove_callback(PrinterCallback)
    ratios, shares = [], []
    for number in range(pairs + 1):
        for trainer in (ours, plain) if number % 2 else (plain, ours):
            trainer.train()
        assert ours.state.num_input_tokens_seen == plain.state.num_input_tokens_seen, "other responses"
        updates, reading = (np.array([getattr(one, of) for one in clocks]) for of in ("updates", "reading"))
        if number:  # the first pair warms up
            seconds = updates.sum(axis=1)  # (2 trainers, wall and processor time)
            ratios.append(seconds[0] / seconds[1])
            shares.append(reading.sum(axis=1)[:, 0] / (reading + updates).sum(axis=1)[:, 0])
        for clock in clocks:
            clock.updates.clear()
            clock.reading.clear()
    (low, *_), (wall, cpu), (high, *_) = np.quantile(ratios, [0.25, 0.5, 0.75], axis=0)
    print(
        f"GRPO step of the nano ({part.prompts} queries x {part.responses} responses a rollout, 4 updates), "
        f"mmrad / TRL: {wall:.3f} (quartiles {low:.3f} to {high:.3f}, {pairs} pairs), "
        f"by processor time {cpu:.3f}"
    )
    ours_reads, theirs = np.median(shares, axis=0)
    print(f"reading takes {ours_reads:.1%} of the time; by TRL's own sampler {theirs:.1%}")


def random_model(size: str) -> tuple[Any, Any]:
    """A Qwen2.5-VL of that size with random weights, and the nano's processor."""
    text: dict[str, Any] = TEXT[size]
    _, processor = load_model(NANO)
    nano, tokenizer = Qwen2_5_VLConfig.from_pretrained(NANO), processor.tokenizer
    width = text["hidden_size"] // text["num_attention_heads"] // 2
    sections = [width - 2 * (width * 3 // 8), width * 3 // 8, width * 3 // 8]
    named = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    config = Qwen2_5_VLConfig(
        text_config={
            **text,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": sections},
            "max_position_embeddings": 32768,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={
            **VISION,
            "depth": 2 if size == "tiny" else VISION["depth"],
            "out_hidden_size": text["hidden_size"],
        },
        tie_word_embeddings=text["tie_word_embeddings"],
        **{name: getattr(nano, name) for name in named},
    )
    set_seed(0)
    make: Any = Qwen2_5_VLForConditionalGeneration._from_config
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        return make(config, dtype=torch.bfloat16), processor


def time_random(folder: Path, options: argparse.Namespace) -> None:
    """Time SFT and GRPO of a model with random weights."""
    base = Base(path="", lora=Lora(), checkpointing=not options.keep_activations)
    pace = {"micro_batch": options.micro_batch, "save_steps": 1000, "logging_steps": 1000, "sample_steps": 0}
    supervised = Supervised(steps=1 + options.updates, batch=options.batch, **pace)
    reinforcement = Reinforcement(
        steps=4, prompts=options.prompts, responses=8, updates=2, max_tokens=options.tokens, **pace
    )
    asking = Asking(max_pixels=options.view * 28 * 28)
    recipe = Recipe(
        name=options.random, data=Data(), asking=asking, base=base, sft=supervised, grpo=reinforcement
    )
    model, processor = random_model(options.random)
    words = processor.tokenizer.encode(" scratch" * TEXT_TOKENS)[:TEXT_TOKENS]
    side = 28 * int(options.view**0.5)
    examples = Photographs(folder, 64, side, settings_from(asking), processor.tokenizer.decode(words))
    assert base.lora is not None
    adapted = with_adapters(model, base.lora)
    cuda = torch.cuda.is_available()
    for name, run in {"sft": _time_sft, "grpo": _time_grpo}.items():
        if name not in options.only:
            continue
        gc.collect()
        if cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        seconds, tokens, what = run(recipe, examples, folder, adapted, processor)
        memory = f", peak {torch.cuda.max_memory_allocated() / 1e9:.1f} GB" if cuda else ""
        print(
            f"{name.upper()} {options.random} random, LoRA 16, micro-batch {options.micro_batch}, "
            f"two views of {(side // 28) ** 2} tokens, "
            f"{'no ' if options.keep_activations else ''}checkpointing: {what}; "
            f"{seconds:.2f} s, {tokens / seconds:.0f} tokens/s{memory} "
            f"({torch.cuda.get_device_name() if cuda else 'CPU'})",
            flush=True,
        )


def _time_sft(
    recipe: Recipe, examples: Photographs, folder: Path, model: Any, processor: Any
) -> tuple[float, float, str]:
    clock, part = Clock(), recipe.sft
    assert part is not None
    assert recipe.base is not None
    arguments = _arguments(part, folder, checkpointing=recipe.base.checkpointing)
    trainer = _Trainer(examples, processor, model=model, args=arguments, callbacks=[clock])
    trainer.train()
    tokens = trainer.state.num_input_tokens_seen / part.steps
    return (
        statistics.median(wall for wall, _ in clock.updates[1:]),
        tokens,
        f"an update of {part.batch} ({tokens:.0f} tokens)",
    )


def _time_grpo(
    recipe: Recipe, examples: Photographs, folder: Path, model: Any, processor: Any
) -> tuple[float, float, str]:
    clock, part = Clock(), recipe.grpo
    assert part is not None
    trainer = make_trainer(
        recipe, part, examples, folder, model=model, processor=processor, callbacks=[clock]
    )
    trainer.train()
    tokens = trainer.state.num_input_tokens_seen / 2
    generated, updated = (wall for wall, _ in clock.updates[2:])
    what = (
        f"a rollout of {part.prompts} x {part.responses} responses of {part.max_tokens} tokens and 2 updates "
        f"({tokens:.0f} tokens; sampling and scoring {generated - updated:.2f} s, an update {updated:.2f} s)"
    )
    return generated + updated, tokens, what


def main() -> None:
    """Time what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=12, help="pairs of rollouts")
    parser.add_argument("--random", choices=[*TEXT], help="sizes of a model with random weights")
    parser.add_argument("--only", nargs="+", choices=["sft", "grpo"], default=["sft", "grpo"])
    parser.add_argument("--view", type=int, default=756, help="image tokens of a view, at most")
    parser.add_argument("--batch", type=int, default=4, help="conversations of an SFT update")
    parser.add_argument("--prompts", type=int, default=4, help="queries of a rollout")
    parser.add_argument("--micro-batch", type=int, default=4, help="sequences at once")
    parser.add_argument("--tokens", type=int, default=128, help="of each response")
    parser.add_argument("--updates", type=int, default=4, help="SFT updates timed, after one that warms up")
    parser.add_argument("--keep-activations", action="store_true", help="no activation checkpointing")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.random:
            time_random(Path(folder), options)
        else:
            compare_steps(Path(folder), options.pairs)


if __name__ == "__main__":
    main()
