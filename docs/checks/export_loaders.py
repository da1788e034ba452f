"""Load an export for trainers with the trainer itself, and compare what it sees with what was written.

    PYTHONPATH=src:tests .venv/bin/python docs/checks/export_loaders.py make EXPORTS
    PYTHONPATH=src VENV/bin/python docs/checks/export_loaders.py TOOL EXPORTS/TOOL [--max-pixels N]

The second command needs a virtual environment with the tool. It prints, for each sample, the sizes of the
image files, their sizes after the tool's own resize, and the boxes in the text that the tool trains on and in
the truth that it hands to rewards (of LLaMA-Factory, which has no rewards: in the file). It ends with 1 when
sizes or boxes differ. No weights are needed: the processor is one of Qwen2.5-VL with the limits of its
checkpoints and a small tokenizer.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mmrad.answer import parse

Size = tuple[int, int]

LIMIT = 16384 * 28 * 28
"""Area of an image, in pixels, above which the published checkpoints of Qwen2.5-VL shrink it."""


@dataclass(frozen=True)
class Seen:
    """What a tool makes of a sample: sizes are (width, height), boxes are `[x1, y1, x2, y2]`."""

    name: str
    written: list[Size]
    resized: list[Size]
    text: str
    truth: list[list[int]]


def make(out: Path) -> None:
    """Write a small corpus of large, non-square images in all four formats."""
    from mmrad.export.llama_factory import export_llama_factory
    from mmrad.export.ms_swift import export_ms_swift
    from mmrad.export.trl import export_trl
    from mmrad.export.verl import export_verl
    from mmrad.inspectors.base import InspectionSettings
    from mmrad.view import Budget
    from taught import taught_corpus

    settings = InspectionSettings(budget=Budget(max_pixels=1280 * 28 * 28))
    corpus = taught_corpus(out / "corpus", settings.budget, scale=7)
    for export in (export_trl, export_verl, export_llama_factory, export_ms_swift):
        name = export.__name__.removeprefix("export_")
        print(name, export(corpus, out / name, settings=settings), "samples")


def qwen(max_pixels: int | None) -> tuple[Any, Any]:
    """A tiny Qwen2.5-VL, and a processor with the pixel limits of the published checkpoints, or another."""
    from transformers import Qwen2VLImageProcessor

    from mmrad.train.pretraining.nano import NanoSize, build_nano, train_tokenizer

    size = NanoSize(text_width=32, text_layers=1, vision_width=32, vision_layers=1)
    model, processor = build_nano(
        train_tokenizer(["system user assistant Is it normal?"], size), size, seed=0
    )
    processor.image_processor = Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=max_pixels or LIMIT)
    return model, processor


def grid_sizes(grid_thw: Any) -> list[Size]:
    """Sizes in pixels of images of `grid_thw` patches."""
    return [(wide * 14, high * 14) for _, high, wide in grid_thw.tolist()]


def boxes_in(text: str) -> list[list[int]]:
    """The boxes of the answer in a text."""
    return [list(place.box.rounded()) for place in parse(text, strict=True).instances]


def file_sizes(folder: Path, names: list[str]) -> list[Size]:
    """Sizes of image files."""
    from PIL import Image

    return [Image.open(folder / name).size for name in names]


def trl(folder: Path, max_pixels: int | None) -> Iterator[Seen]:
    """The batches of SFTTrainer; then one step of it and one of GRPOTrainer."""
    import pyarrow.parquet as pq
    from datasets import load_dataset
    from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

    model, processor = qwen(max_pixels)
    common = {"max_steps": 1, "report_to": "none", "use_cpu": True, "bf16": False, "disable_tqdm": True}
    scratch = tempfile.mkdtemp()
    told: dict[str, list[list[int]]] = {}

    def reward(completions: list[Any], boxes: list[Any], sample_id: list[str], **_: Any) -> list[float]:
        told.update(zip(sample_id, boxes, strict=True))
        return [float(index) for index in range(len(completions))]

    for split in sorted(path.name for path in folder.iterdir()):
        data = load_dataset("imagefolder", data_dir=str(folder), split=split, cache_dir=scratch)
        arguments = SFTConfig(scratch, max_length=None, per_device_train_batch_size=len(data), **common)
        trainer = SFTTrainer(model, arguments, train_dataset=data, processing_class=processor)
        trainer.train()
        rows = len(data)
        arguments = GRPOConfig(
            scratch,
            per_device_train_batch_size=2 * rows,
            num_generations=2,
            max_completion_length=4,
            **common,
        )
        GRPOTrainer(model, reward, arguments, train_dataset=data, processing_class=processor).train()
        table = pq.read_table(folder / split / "metadata.parquet").to_pylist()
        for row, stored in zip(data, table, strict=True):
            batch = trainer.data_collator([dict(row)])
            labels = batch["labels"][0]
            yield Seen(
                row["sample_id"],
                file_sizes(folder / split, stored["images_file_names"]),
                grid_sizes(batch["image_grid_thw"]),
                processor.tokenizer.decode(labels[labels >= 0], skip_special_tokens=True),
                told[row["sample_id"]],
            )


def verl(folder: Path, max_pixels: int | None) -> Iterator[Seen]:
    """The rows of RLHFDataset, with the images that its agent loops get."""
    import asyncio

    from omegaconf import OmegaConf
    from PIL import Image
    from verl.utils.dataset.rl_dataset import RLHFDataset

    _, processor = qwen(max_pixels)
    config = OmegaConf.create({"cache_dir": tempfile.mkdtemp(), "max_prompt_length": 4096})
    files = sorted(str(path) for path in folder.glob("*.parquet"))
    data = RLHFDataset(files, processor.tokenizer, config, processor)
    for stored, row in zip(data.dataframe, data, strict=True):
        images, _ = asyncio.run(RLHFDataset.process_vision_info(row["raw_prompt"], 14, config))
        text = processor.apply_chat_template(row["raw_prompt"], tokenize=False, add_generation_prompt=True)
        batch = processor(text=[text], images=images, return_tensors="pt")
        yield Seen(
            row["extra_info"]["sample_id"],
            [Image.open(io.BytesIO(image["bytes"])).size for image in stored["images"]],
            grid_sizes(batch["image_grid_thw"]),
            row["extra_info"]["answer"],
            json.loads(row["reward_model"]["ground_truth"])["boxes"],
        )


def llama_factory(folder: Path, max_pixels: int | None) -> Iterator[Seen]:
    """The batches of the SFT stage."""
    from llamafactory.data import (
        MultiModalDataCollatorForSeq2Seq,
        get_dataset,
        get_template_and_fix_tokenizer,
    )
    from llamafactory.hparams import get_train_args
    from llamafactory.model.patcher import patch_processor

    _, processor = qwen(None)
    described = json.loads((folder / "dataset_info.json").read_text())
    rows = [json.loads(line) for entry in described.values() for line in (folder / entry["file_name"]).open()]
    arguments = {
        "model_name_or_path": "unused", "stage": "sft", "do_train": True, "template": "qwen2_vl",
        "dataset_dir": str(folder), "dataset": ",".join(described), "cutoff_len": 4096,
        **({"image_max_pixels": max_pixels} if max_pixels else {}),
        "output_dir": tempfile.mkdtemp(), "report_to": "none", "finetuning_type": "lora",
    }  # fmt: skip
    model_args, data_args, training_args, _, _ = get_train_args(arguments)
    tokenizer = processor.tokenizer
    patch_processor(processor, tokenizer, model_args)
    template = get_template_and_fix_tokenizer(tokenizer, data_args)
    data = get_dataset(template, model_args, data_args, training_args, "sft", tokenizer, processor)
    collator = MultiModalDataCollatorForSeq2Seq(tokenizer, template=template, processor=processor)
    by_images = {tuple(row["images"]): row for row in rows}
    for row in data["train_dataset"]:
        stored = by_images[tuple(os.path.relpath(path, folder) for path in row["images"])]
        batch = collator([row])
        labels = batch["labels"][0]
        yield Seen(
            stored["sample_id"],
            file_sizes(folder, stored["images"]),
            grid_sizes(batch["image_grid_thw"]),
            tokenizer.decode(labels[labels >= 0], skip_special_tokens=True),
            boxes_in(stored["messages"][-1]["content"]),
        )


def ms_swift(folder: Path, max_pixels: int | None) -> Iterator[Seen]:
    """What its template encodes for training."""
    os.environ["ROOT_IMAGE_DIR"] = str(folder)
    from swift import get_processor, get_template
    from swift.dataset import load_dataset

    model, processor = qwen(None)
    saved = tempfile.mkdtemp()
    model.save_pretrained(saved)
    processor.save_pretrained(saved)
    loaded = get_processor(saved, model_type="qwen2_5_vl")
    template = get_template(loaded, template_type="qwen2_5_vl", max_pixels=max_pixels)
    template.image_token_id = processor.tokenizer.convert_tokens_to_ids("<|image_pad|>")
    template.set_mode("train")
    files = sorted(str(path) for path in folder.glob("*.jsonl"))
    data, _ = load_dataset(files, remove_unused_columns=False, load_from_cache_file=False)
    for row in data:
        encoded = template.encode(dict(row), return_template_inputs=True)
        labels = [token for token in encoded["labels"] if token >= 0]
        objects = encoded["template_inputs"].objects
        assert set(row["objects"]["image_id"]) <= {len(row["images"]) - 1}, "boxes lie in the query"
        yield Seen(
            row["sample_id"],
            file_sizes(folder, [image["path"] for image in row["images"]]),
            grid_sizes(encoded["image_grid_thw"]),
            processor.tokenizer.decode(labels, skip_special_tokens=True),
            objects["bbox"],
        )


TOOLS: dict[str, tuple[str, Callable[[Path, int | None], Iterator[Seen]]]] = {
    "trl": ("trl", trl),
    "verl": ("verl", verl),
    "llama_factory": ("llamafactory", llama_factory),
    "ms_swift": ("ms-swift", ms_swift),
}


def check(tool: str, folder: Path, max_pixels: int | None) -> bool:
    """Print what a tool loads; whether it is all as it was written."""
    package, load = TOOLS[tool]
    found = list(load(folder.resolve(), max_pixels))
    print(f"\n{package} {version(package)}, transformers {version('transformers')}: {len(found)} rows")
    good = True
    for seen in found:
        said = boxes_in(seen.text)
        same = seen.written == seen.resized and seen.truth == said
        good &= same
        print(f"{seen.name}: files {seen.written}, resized {seen.resized}, text {said}, truth {seen.truth}")
        print(f"  {'same' if same else 'DIFFERENT'}: {seen.text}")
    return good and bool(found)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tool", choices=["make", *TOOLS])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--max-pixels", type=int, help="what the tool is told; its own default if missing")
    asked = parser.parse_args()
    if asked.tool == "make":
        make(asked.folder)
    else:
        sys.exit(not check(asked.tool, asked.folder, asked.max_pixels))


if __name__ == "__main__":
    main()
