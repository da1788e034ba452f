"""Reinforcement learning of a tiny real model."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from finetuned import logged, write_start
from mmrad.errors import DataError, MissingExtraError, TrainingError, UsageError
from mmrad.inspectors.local import vision_tokens
from mmrad.inspectors.make import make_inspector
from mmrad.train import arguments
from mmrad.train.checkpoints import latest_checkpoint
from mmrad.train.examples.data import Data
from mmrad.train.models import load_model
from mmrad.train.recipe import Lora, Recipe, Supervised, settings_from
from mmrad.train.reinforcement import grpo as module
from mmrad.train.reinforcement.grpo import batch_arguments, grpo
from mmrad.train.sft import sft
from reinforced import ASKING, contrasting_examples, grpo_recipe

FIELDS = {
    *("step", "epoch", "loss", "reward", "reward_std", "kl", "learning_rate", "grad_norm", "parse_rate"),
    *("correct", "mean_iou", "zero_advantage", "zero_advantage_after", "injected_reference"),
    *("injected_negatives", "lacking_reference", "lacking_negatives", "completion_tokens", "seconds"),
}
"""Of each line; `answer_yes` comes with them where an answer can be read."""


@pytest.fixture
def examples(squares):
    return contrasting_examples(squares)


@pytest.fixture
def start(examples, tmp_path):
    return write_start(examples, tmp_path / "start")


def test_responses_earn_more_after_a_few_rollouts(squares, examples, start, tmp_path):
    cold = Supervised(
        steps=60, batch=8, micro_batch=8, learning_rate=1e-2, save_steps=60, sample_steps=0, logging_steps=60
    )
    recipe = grpo_recipe(
        steps=40, prompts=12, responses=8, micro_batch=48, save_steps=40, logging_steps=2, sample_steps=40,
        schedule="constant_with_warmup",
    ).model_copy(update={"sft": cold})  # fmt: skip
    begun = sft(recipe, examples, tmp_path / "sft", start=start)
    told = []
    out = tmp_path / "grpo"
    model = grpo(recipe, examples, out, start=begun, progress=lambda *counts: told.append(counts))
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]
    assert [line["step"] for line in lines] == [1, *range(2, 41, 2)]
    assert all(line.keys() >= FIELDS for line in lines)
    rewards = [line["reward"] for line in lines[1:]]
    assert np.mean(rewards[-3:]) > np.mean(rewards[:3]) + 0.2  # with each of six seeds by 0.35 and more
    assert lines[-1]["correct"] > lines[0]["correct"]
    assert sum(line["injected_reference"] for line in lines[1:]) > 0
    assert all(line["zero_advantage_after"] == 0 for line in lines)
    assert lines[-1]["epoch"] == 20
    assert told == [(step, 40) for step in range(1, 41)]
    board = EventAccumulator(str(out / "tensorboard"))
    board.Reload()
    logged_there = [(event.step, event.value) for event in board.Scalars("train/correct")]
    assert logged_there == [(line["step"], pytest.approx(line["correct"])) for line in lines]
    samples = [json.loads(line) for line in (out / "samples.jsonl").read_text("utf-8").splitlines()]
    assert [line["sample"] for line in samples] == [f"made/part/test/{number}" for number in (0, 1, 6, 7)]
    verdicts = dict(
        make_inspector(str(model), settings_from(ASKING)).inspect(squares.pairs(squares.samples[:3]))
    )
    assert sorted(verdicts) == [0, 1, 2]


def test_adapters_are_trained_against_the_model_without_them(examples, start, tmp_path):
    out = tmp_path / "grpo"
    recipe = grpo_recipe(
        lora=Lora(rank=4, alpha=4),
        checkpointing=True,
        beta=0.5,
        responses=2,
        micro_batch=8,
        learning_rate=1e-2,
    )
    model = grpo(recipe, examples, out, start=start)
    divergence = [line["kl"] for line in logged(out)]
    assert divergence[0] == pytest.approx(0, abs=1e-7)
    assert min(divergence[1:]) > 1e-7
    adapter = load_file(out / "adapter" / "adapter_model.safetensors")
    assert {name.split(".layers.")[0] for name in adapter} == {"base_model.model.model.language_model"}
    assert not (out / "adapter" / "ref").exists()
    before, after = (load_model(path)[0].state_dict() for path in (start, model))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.split(".")[-2].endswith("_proj") and "language_model" in name for name in changed)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"lora": Lora(rank=2, alpha=2, dropout=0.1)},
        {"curriculum": True, "balance": True, "logging_steps": 3},
    ],
)
def test_a_resumed_training_is_one_that_was_never_interrupted(examples, start, tmp_path, changes):
    def interrupt(done, total):
        if done == 3:
            raise InterruptedError

    recipe = grpo_recipe(**changes)
    whole = grpo(recipe, examples, tmp_path / "whole", start=start)
    with pytest.raises(InterruptedError):
        grpo(recipe, examples, tmp_path / "broken", start=start, progress=interrupt)
    assert logged(tmp_path / "broken")[-1]["step"] <= 3
    resumed = grpo(recipe, examples, tmp_path / "broken", start=start)
    assert logged(tmp_path / "broken") == logged(tmp_path / "whole")
    assert (resumed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    if recipe.grpo.curriculum:
        outcomes = [(tmp_path / name / "outcomes.jsonl").read_bytes() for name in ("whole", "broken")]
        assert outcomes[0] == outcomes[1]
        assert len(outcomes[0].splitlines()) == 3


@pytest.mark.parametrize("changes", [{"micro_batch": 8}, {"workers": 1}])
def test_losses_do_not_depend_on_how_a_batch_is_made(examples, start, tmp_path, monkeypatch, changes):
    monkeypatch.setattr(arguments, "has_fast_bf16", lambda: False)  # bfloat16 rounds each batch its own way
    grpo(grpo_recipe(), examples, tmp_path / "one", start=start)
    grpo(grpo_recipe(**changes), examples, tmp_path / "other", start=start)
    one, other = (logged(tmp_path / name) for name in ("one", "other"))
    assert [line["reward"] for line in one] == [line["reward"] for line in other]
    np.testing.assert_allclose(*[[line["loss"] for line in lines] for lines in (one, other)], atol=1e-5)


@pytest.mark.parametrize("preset", ["dapo", "gspo", "dr_grpo"])
def test_presets_change_the_loss_not_the_responses(examples, start, tmp_path, preset):
    shaping = 0.1 if preset != "gspo" else 0.0
    losses, rewards = [], []
    for name, changes in (("plain", {}), (preset, {"preset": preset, "shaping": shaping})):
        grpo(grpo_recipe(steps=2, max_tokens=40, **changes), examples, tmp_path / name, start=start)
        lines = logged(tmp_path / name)
        assert all(np.isfinite(line["loss"]) and line["grad_norm"] > 0 for line in lines)
        losses.append([line["loss"] for line in lines])
        rewards.append([line["reward"] for line in lines])
    assert rewards[0] == rewards[1]
    assert losses[0] != losses[1]


def test_after_its_end_a_training_only_returns_its_model(examples, start, tmp_path):
    out = tmp_path / "grpo"
    recipe = grpo_recipe(steps=2)
    model = grpo(recipe, examples, out, start=start)
    weights, log = (model / "model.safetensors").read_bytes(), (out / "log.jsonl").read_bytes()
    shutil.rmtree(model)  # as if killed between the last checkpoint and the model
    assert grpo(recipe, examples, out, start=start) == model
    assert (model / "model.safetensors").read_bytes() == weights
    assert grpo(grpo_recipe(steps=2, micro_batch=2), examples, out, start=start) == model
    assert (out / "log.jsonl").read_bytes() == log
    with pytest.raises(UsageError, match=r"another recipe .*grpo\.beta is None there and 0\.5 now"):
        grpo(grpo_recipe(steps=2, beta=0.5), examples, out, start=start)
    with pytest.raises(UsageError, match="start is"):
        grpo(recipe, examples, out, start=model)


def test_a_loss_that_is_no_number_names_its_responses_queries(examples, start, tmp_path):
    out = tmp_path / "grpo"
    with pytest.raises(TrainingError) as caught:
        grpo(grpo_recipe(learning_rate=1e38), examples, out, start=start)
    named = str(caught.value).split("its batch was ")[1].split(". ")[0].split(", ")
    assert 0 < len(named) <= 4  # one micro-batch of 4 responses
    assert {*named} <= {sample.id for sample in examples.samples}
    assert latest_checkpoint(out / "checkpoints") is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"updates": 3}, r"updates = 3 does not divide grpo\.prompts = 4"),
        ({"save_steps": 5}, r"save_steps = 5 ends within a rollout of grpo\.updates = 2.*take 6"),
        ({"steps": 7}, r"grpo\.steps = 7 ends within"),
    ],
)
def test_numbers_that_do_not_fit_together_are_refused(examples, start, tmp_path, changes, said):
    with pytest.raises(UsageError, match=said):
        grpo(grpo_recipe(**changes), examples, tmp_path / "grpo", start=start)
    assert not (tmp_path / "grpo").exists()


def test_rollouts_are_as_in_the_paper_on_one_device_and_shared_by_several(monkeypatch):
    part = grpo_recipe(prompts=32, responses=8, updates=4, micro_batch=8, steps=400, save_steps=100).grpo
    for devices, accumulated in ((1, 8), (4, 2)):
        monkeypatch.setenv("WORLD_SIZE", str(devices))
        assert batch_arguments(part) == {
            "per_device_train_batch_size": 8,
            "gradient_accumulation_steps": accumulated,
            "steps_per_generation": 4 * accumulated,
            "num_generations": 8,
            "num_iterations": 1,
        }
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(UsageError, match="cannot be shared by 3 devices"):
        batch_arguments(part)


def test_too_few_examples_and_no_table_and_long_prompts_are_refused(examples, start, tmp_path):
    with pytest.raises(
        DataError, match=r"a rollout asks 16 queries and the data has 12: lower grpo\.prompts"
    ):
        grpo(grpo_recipe(prompts=16), examples, tmp_path / "few", start=start)
    with pytest.raises(UsageError, match=r"no \[grpo\] table"):
        grpo(Recipe(name="r", data=Data(), asking=ASKING), examples, tmp_path / "none", start=start)
    recipe = grpo_recipe().model_copy(update={"data": Data(texts="fresh", max_prompt_tokens=40)})
    with pytest.raises(DataError, match="12 of 12 prompts have more than 40 tokens"):
        grpo(recipe, examples, tmp_path / "long", start=start)


def test_vllm_is_asked_for_only_where_it_can_run(examples, start, tmp_path, monkeypatch):
    recipe = grpo_recipe(vllm=True)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"mmrad\[vllm\]"):
        grpo(recipe, examples, tmp_path / "grpo", start=start)
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="needs a GPU"):
        grpo(recipe, examples, tmp_path / "grpo", start=start)
    config = load_model(start)[0].config
    arguments = module._sampling_arguments(recipe.grpo, 2048, config)
    assert (arguments["use_vllm"], arguments["vllm_max_model_length"]) == (True, 2048 + 28)
    assert [*arguments["generation_kwargs"]["logit_bias"]] == vision_tokens(config)
