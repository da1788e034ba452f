"""Supervised fine-tuning of a tiny real model."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from finetuned import fresh_examples, logged, sft_recipe, write_start
from mmrad.answer import parse
from mmrad.box import Box
from mmrad.corpus import Reference, SourceInfo, write_corpus
from mmrad.errors import DataError, TrainingError, UsageError
from mmrad.image import encode_png
from mmrad.inspectors.make import make_inspector
from mmrad.sample import Region, Sample
from mmrad.train.checkpoints import latest_checkpoint
from mmrad.train.examples.data import training_examples
from mmrad.train.examples.example import Collator
from mmrad.train.examples.scripted import ScriptedExamples
from mmrad.train.examples.stored import CorpusExamples
from mmrad.train.models import load_model
from mmrad.train.recipe import Asking, Data, Lora, Recipe, settings_from
from mmrad.train.reinforcement.rewards import judge
from mmrad.train.sft import sft

SIZES = [(200, 61), (61, 200), (113, 113), (257, 99)]


@pytest.fixture
def examples(squares):
    return fresh_examples(squares)


@pytest.fixture
def start(examples, tmp_path):
    return write_start(examples, tmp_path / "start")


@pytest.fixture
def odd_corpus(tmp_path):
    """Parts and references of odd sizes, no reference as large as its query; some with three stains."""
    raw = tmp_path / "odd"
    raw.mkdir()
    samples, references = [], []
    for number, (width, height) in enumerate(SIZES * 2):
        pixels = np.full((height, width, 3), 90, np.uint8)
        name, wanted = f"odd/part/test/{number}", (0, 1, 3)[number % 3]
        boxes = [Box(3 + 19 * place, 5, 16 + 19 * place, 48) for place in range(wanted)]
        for box in boxes:
            pixels[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)] = 230
        (raw / f"{number}.png").write_bytes(encode_png(pixels))
        regions = tuple(Region(box, "stain") for box in boxes)
        samples.append(
            Sample(name, "odd", "part", "test", f"{number}.png", (width, height), regions, "CC0-1.0")
        )
        references.append(Reference(name, 0, f"{(number + 3) % len(SIZES)}.png", "random", 0.0))
    info = SourceInfo(adapter="folder", root=str(raw), licence="CC0-1.0")
    corpus = write_corpus(tmp_path / "odd-corpus", {"odd": info}, samples)
    corpus.write_references(references)
    return corpus


def test_a_tiny_model_learns_and_is_a_model(squares, examples, start, tmp_path):
    out = tmp_path / "sft"
    told = []
    recipe = sft_recipe(steps=40, save_steps=40, logging_steps=10, sample_steps=40)
    model = sft(recipe, examples, out, start=start, progress=lambda done, total: told.append((done, total)))
    lines = logged(out)
    assert [line["step"] for line in lines] == [1, 10, 20, 30, 40]
    assert lines[-1]["loss"] < 0.4 * lines[0]["loss"]
    assert lines[-1]["token_accuracy"] > 0.5
    assert lines[0]["tokens"] < lines[-1]["tokens"]
    assert told == [(step, 40) for step in range(1, 41)]
    verdicts = dict(
        make_inspector(str(model), settings_from(Asking())).inspect(squares.pairs(squares.samples))
    )
    assert sorted(verdicts) == list(range(12))

    samples = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    assert [line["sample"] for line in samples] == [f"made/part/test/{number}" for number in (0, 1, 6, 7)]
    assert [bool(line["truth"]) for line in samples] == [False, True, False, True]
    assert all(line["anomalous"] == parse(line["text"]).anomalous for line in samples)
    board = EventAccumulator(str(out / "tensorboard"))
    board.Reload()
    assert [event.step for event in board.Scalars("train/loss")] == [1, 10, 20, 30, 40]


def test_adapters_leave_the_base_and_the_vision_tower_alone(examples, start, tmp_path):
    out = tmp_path / "sft"
    recipe = sft_recipe(lora=Lora(rank=4, alpha=4), checkpointing=True)
    model = sft(recipe, examples, out, start=start)
    losses = [line["loss"] for line in logged(out)]
    assert losses[-1] < 0.99 * losses[0]
    adapter = load_file(out / "adapter" / "adapter_model.safetensors")
    assert {name.split(".layers.")[0] for name in adapter} == {"base_model.model.model.language_model"}
    before, after = (load_model(path)[0].state_dict() for path in (start, model))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    parts = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    assert {name.split(".")[-2] for name in changed} == set(parts)
    assert all("language_model" in name for name in changed)


def test_the_loss_does_not_depend_on_the_micro_batch(examples, start, tmp_path):
    losses = []
    for micro_batch in (1, 4):
        recipe = sft_recipe(steps=3, micro_batch=micro_batch, logging_steps=1, sample_steps=0)
        sft(recipe, examples, tmp_path / str(micro_batch), start=start)
        losses.append([line["loss"] for line in logged(tmp_path / str(micro_batch))])
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_worker_processes_read_the_same_examples(examples, start, tmp_path):
    losses = []
    for workers in (0, 2):
        recipe = sft_recipe(steps=5, workers=workers, logging_steps=1, sample_steps=0)
        sft(recipe, examples, tmp_path / str(workers), start=start)
        losses.append([line["loss"] for line in logged(tmp_path / str(workers))])
    assert losses[0] == losses[1]


def test_after_its_end_a_training_only_returns_its_model(examples, start, tmp_path):
    out = tmp_path / "sft"
    model = sft(sft_recipe(), examples, out, start=start)
    weights, log = (model / "model.safetensors").read_bytes(), (out / "log.jsonl").read_bytes()
    shutil.rmtree(model)  # as if killed between the last checkpoint and the model
    assert sft(sft_recipe(), examples, out, start=start) == model
    assert (model / "model.safetensors").read_bytes() == weights
    stamp = (model / "model.safetensors").stat().st_mtime_ns
    assert sft(sft_recipe(micro_batch=4, save_steps=3), examples, out, start=start) == model
    assert (model / "model.safetensors").stat().st_mtime_ns == stamp
    assert (out / "log.jsonl").read_bytes() == log
    with pytest.raises(UsageError, match=r"another recipe .*sft\.learning_rate is 0\.01 there and 0\.5 now"):
        sft(sft_recipe(learning_rate=0.5), examples, out, start=start)
    with pytest.raises(UsageError, match="start is"):
        sft(sft_recipe(), examples, out, start=model)


@pytest.mark.parametrize(("rate", "what", "done"), [(1e15, "loss", 1), (1e38, "weights", 0)])
def test_what_is_no_number_names_the_batch_and_gets_no_checkpoint(
    rate, what, done, examples, start, tmp_path
):
    out = tmp_path / "sft"
    recipe = sft_recipe(learning_rate=rate, warmup=0.0, save_steps=1, sample_steps=0, logging_steps=1)
    with pytest.raises(TrainingError) as caught:
        sft(recipe, examples, out, start=start)
    named = str(caught.value).split("its batch was ")[1].split(". ")[0].split(", ")
    assert len(named) == 4
    assert {*named} <= {sample.id for sample in examples.samples}
    assert str(caught.value).startswith(f"the {what} of update {done + 1} came to ")
    assert not list(out.glob(f"checkpoints/checkpoint-{done + 1}"))
    if done:
        checkpoint = latest_checkpoint(out / "checkpoints")
        assert checkpoint is not None
        weights = load_file(checkpoint / "model.safetensors")
        assert all(weight.isfinite().all() for weight in weights.values())
        assert [line["step"] for line in logged(out)] == [done]


@pytest.mark.parametrize("stored", [False, True])
def test_the_truth_of_odd_sizes_scores_one_through_the_processor(odd_corpus, start, stored, tmp_path):
    asking = Asking(max_pixels=150 * 150)
    if stored:
        (tmp_path / "teach").mkdir()
        recipe = Recipe(name="odd", data=Data(corpus=odd_corpus.path), asking=asking)
        _teach(odd_corpus, asking)
        examples = training_examples(recipe, tmp_path / "data")
        assert isinstance(examples, CorpusExamples)
    else:
        examples = ScriptedExamples(odd_corpus.pairs(odd_corpus.samples), settings_from(asking), seed=0)
    assert len(examples) == len(odd_corpus.samples)
    processor = load_model(start)[1]
    collate = Collator(processor)
    places = 0
    for epoch in range(3):
        examples.set_epoch(epoch)
        for index in range(len(examples)):
            example = examples[index]
            batch = collate([example])
            views = [
                part for message in example.messages for part in message.parts if not isinstance(part, str)
            ]
            seen = [(14 * wide, 14 * high) for _, high, wide in batch["image_grid_thw"].tolist()]
            assert seen == [view.size_wh for view in views]
            labels = batch["labels"][0]
            text = processor.tokenizer.decode(labels[labels != -100], skip_special_tokens=True)
            assert text == example.completion
            assert judge(text, example.boxes).reward == 1.0
            places += len(example.boxes)
    assert places == 3 * sum(len(sample.regions) for sample in odd_corpus.samples) > 0


def test_corpora_that_cannot_be_trained_on_say_so(squares, tmp_path):
    recipe = Recipe(name="r", data=Data(corpus=squares.path), asking=Asking())
    with pytest.raises(DataError, match="verified text"):
        training_examples(recipe, tmp_path)
    normal = [sample for sample in squares.samples if not sample.anomalous]
    info = SourceInfo(adapter="folder", root=str(tmp_path), licence="CC0-1.0")
    write_corpus(tmp_path / "one", {"made": info}, normal)
    with pytest.raises(DataError, match="no anomalous samples in made; both are needed"):
        training_examples(recipe.model_copy(update={"data": Data(corpus=tmp_path / "one")}), tmp_path)


def test_a_recipe_without_the_stage_says_so(examples, start, tmp_path):
    recipe = sft_recipe().model_copy(update={"sft": None})
    with pytest.raises(UsageError, match=r"no \[sft\] table"):
        sft(recipe, examples, tmp_path / "sft", start=start)


def test_long_prompts_are_refused_before_training(examples, start, tmp_path):
    recipe = sft_recipe().model_copy(update={"data": Data(texts="fresh", max_prompt_tokens=40)})
    with pytest.raises(DataError, match=r"12 of 12 prompts have more than 40 tokens"):
        sft(recipe, examples, tmp_path / "sft", start=start)


def _teach(corpus, asking):
    from mmrad.teach import ScriptedTeacher, Teaching, teach

    budget = settings_from(asking).budget
    teach(corpus, [ScriptedTeacher()], corpus.samples, Teaching(budget=budget))
