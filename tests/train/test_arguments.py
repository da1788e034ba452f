"""What all trainings tell TRL, and which folder belongs to which training."""

import json
from pathlib import Path

import pytest
import torch
from trl import SFTConfig

from mmrad.errors import DataError, UsageError
from mmrad.train.arguments import common_arguments, split_batch
from mmrad.train.claim import PACE, claim
from mmrad.train.recipe import Lora, Optimisation, Supervised, load_recipe


@pytest.mark.parametrize(
    ("batch", "micro_batch", "devices", "expected"),
    [(32, 8, 1, (8, 4)), (4, 8, 1, (4, 1)), (6, 4, 1, (3, 2)), (7, 4, 1, (1, 7)), (64, 8, 8, (8, 1))],
)
def test_a_batch_is_made_of_equal_parts(batch, micro_batch, devices, expected, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", str(devices))
    assert split_batch(batch, micro_batch) == expected


def test_devices_that_cannot_share_a_batch_say_so(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(UsageError, match="4 sequences cannot be shared evenly by 3 devices"):
        split_batch(4, 4)


def test_trl_takes_the_arguments(tmp_path):
    part = Supervised(epochs=2.5, warmup=0.2, schedule="linear", save_steps=7, seed=3)
    made = SFTConfig(**common_arguments(part, tmp_path), max_length=None)
    assert made.output_dir == str(tmp_path / "checkpoints")
    assert (made.num_train_epochs, made.max_steps, made.save_steps, made.seed) == (2.5, -1, 7, 3)
    assert made.get_warmup_steps(100) == 20
    assert made.lr_scheduler_type == "linear"
    assert not made.gradient_checkpointing
    assert made.use_cpu is not torch.cuda.is_available()
    steps = common_arguments(Optimisation(steps=9, learning_rate=1.0), tmp_path)
    assert SFTConfig(**steps, max_length=None).max_steps == 9


def test_a_folder_belongs_to_what_began_it(tmp_path):
    claim(tmp_path, {"name": "a", "sft": {"learning_rate": 0.1, "workers": 0}})
    ignored = [f"sft.{name}" for name in PACE]
    claim(tmp_path, {"name": "a", "sft": {"learning_rate": 0.1, "workers": 4}}, ignored)
    assert json.loads((tmp_path / "recipe.json").read_text())["sft"]["workers"] == 4
    with pytest.raises(
        UsageError, match=r"sft\.learning_rate is 0\.1 there and 0\.2 now; name another folder"
    ):
        claim(tmp_path, {"name": "a", "sft": {"learning_rate": 0.2, "workers": 4}}, ignored)
    with pytest.raises(UsageError, match=r"sft\.workers is 4 there and 0 now"):
        claim(tmp_path, {"name": "a", "sft": {"learning_rate": 0.1, "workers": 0}})


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_claim_says_so(text, tmp_path):
    (tmp_path / "recipe.json").write_text(text)
    with pytest.raises(DataError, match=r"recipe\.json: not .*begin the training anew"):
        claim(tmp_path, {"name": "a"})


def test_what_does_not_change_what_is_learned_are_fields():
    assert {*PACE} <= Optimisation.model_fields.keys()


def test_the_7b_recipe_has_the_papers_settings():
    recipe = load_recipe(Path(__file__).parents[2] / "recipes" / "anomaly-r1-7b.toml")
    assert recipe.base.lora == Lora(rank=16, alpha=16)
    sft, grpo = recipe.sft, recipe.grpo
    assert (sft.epochs, sft.batch, sft.learning_rate, sft.warmup, sft.weight_decay) == (3, 4, 2e-5, 0.1, 0.1)
    assert (grpo.prompts, grpo.responses, grpo.updates, grpo.max_tokens) == (32, 8, 4, 512)
    assert (grpo.epsilon, grpo.beta, grpo.learning_rate) == (0.2, 0.001, 2e-6)
    assert (grpo.warmup, grpo.weight_decay, grpo.temperature, grpo.top_p) == (0.1, 0.01, 1.0, 1.0)
    assert recipe.data.max_prompt_tokens == 2048
    assert all(part.save_steps % grpo.updates == 0 for part in (sft, grpo))
