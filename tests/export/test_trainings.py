"""The trainings that are written beside the data for LLaMA-Factory and ms-swift."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from mmrad.corpus import Corpus, write_corpus
from mmrad.export.conversations import conversations
from mmrad.export.llama_factory import export_llama_factory
from mmrad.export.ms_swift import export_ms_swift
from mmrad.export.trainings import splits_to_train
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.chat import encode
from mmrad.train.pretraining.nano import NanoSize, build_nano, train_tokenizer
from taught import BUDGET, taught_corpus

SETTINGS = InspectionSettings(budget=BUDGET)


def training(corpus: Corpus, out: Path, tool: str) -> dict[str, Any]:
    export = {"llama_factory": export_llama_factory, "ms_swift": export_ms_swift}[tool]
    export(corpus, out, settings=SETTINGS, references=2)
    loaded: dict[str, Any] = yaml.safe_load((out / "sft.yaml").read_text("utf-8"))
    return loaded


@pytest.mark.parametrize("tool", ["llama_factory", "ms_swift"])
def test_the_numbers_are_the_papers(tmp_path: Path, tool: str) -> None:
    found = training(taught_corpus(tmp_path / "corpus"), tmp_path / "out", tool)
    assert (found["lora_rank"], found["lora_alpha"]) == (16, 16)
    assert found["learning_rate"] == 2e-5
    assert found["per_device_train_batch_size"] * found["gradient_accumulation_steps"] == 4
    assert (found["num_train_epochs"], found["warmup_ratio"], found["weight_decay"]) == (3, 0.1, 0.1)


@pytest.mark.parametrize(("tool", "limit"), [("llama_factory", "cutoff_len"), ("ms_swift", "max_length")])
def test_no_conversation_is_cut(tmp_path: Path, tool: str, limit: str) -> None:
    corpus = taught_corpus(tmp_path / "corpus")
    found = training(corpus, tmp_path / "out", tool)
    size = NanoSize(text_width=32, text_layers=1, vision_width=32, vision_layers=1)
    _, processor = build_nano(train_tokenizer(["knows no word"], size), size, seed=0)
    for one in conversations(corpus, SETTINGS, references=2):
        ids = encode(processor, [list(one.messages)], completions=[one.completion])["input_ids"]
        assert ids.shape[1] <= found[limit]


def test_no_view_is_resized(tmp_path: Path) -> None:
    corpus = taught_corpus(tmp_path / "corpus")
    found = training(corpus, tmp_path / "out", "llama_factory")
    areas = [
        math.prod(view.size_wh) for one in conversations(corpus, SETTINGS, references=2) for view in one.views
    ]
    assert found["image_max_pixels"] == max(areas)


def test_the_split_train_is_trained_on(tmp_path: Path) -> None:
    corpus = taught_corpus(tmp_path / "corpus")
    assert training(corpus, tmp_path / "one", "llama_factory")["dataset"] == "mmrad_train"
    assert training(corpus, tmp_path / "other", "ms_swift")["dataset"] == ["train.jsonl"]


def test_without_such_a_split_all_are(tmp_path: Path) -> None:
    made = taught_corpus(tmp_path / "corpus")
    references = [one for found in made.references.values() for one in found]
    samples = [replace(sample, split="test") for sample in made.samples]
    corpus = write_corpus(made.path, made.manifest.sources, samples)
    corpus.write_references(references)
    assert training(corpus, tmp_path / "out", "ms_swift")["dataset"] == ["test.jsonl"]
    assert splits_to_train(["validation", "test"]) == ["validation", "test"]
