"""The private parts of TRL that are overridden or read are what they were: a new TRL needs a look at each."""

import inspect
import tomllib
from pathlib import Path

import pytest
import trl
from packaging.requirements import Requirement
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.utils import RepeatSampler

SIGNATURES = {
    "_generate_and_score_completions": ["self", "inputs"],
    "_generate_single_turn": [
        *("self", "prompt_ids", "images", "multimodal_fields", "num_generations", "has_tool_images"),
    ],
    "_get_train_sampler": ["self", "dataset"],
    "_compute_loss": ["self", "model", "inputs"],
    "_prepare_inputs": ["self", "generation_batch"],
    "log": ["self", "logs", "start_time"],
    "create_model_card": ["self", "model_name", "dataset_name", "tags"],
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_methods_overridden_take_what_they_took(name):
    assert list(inspect.signature(getattr(GRPOTrainer, name)).parameters) == SIGNATURES[name]


def test_the_pinned_version_is_the_one_looked_at():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))["project"]
    requirements = map(Requirement, project["optional-dependencies"]["train"])
    [pinned] = [one for one in requirements if one.name == "trl"]
    assert trl.__version__ in pinned.specifier
    assert "1.17.0" not in pinned.specifier


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("_generate", "self._generate_single_turn("),
        ("_generate_and_score_completions", "self._generate(prompts)"),
        ("_generate_and_score_completions", 'self._metrics[mode]["reward"].append'),
        ("_generate_and_score_completions", 'self._metrics[mode]["reward_std"].append'),
        ("_prepare_inputs", "self._step % generate_every == 0"),
        ("_prepare_inputs", "shuffle_sequence_dict(generation_batch)"),
        ("compute_loss", "self._compute_loss(model, inputs)"),
    ],
)
def test_the_methods_are_called_where_they_were(name, wanted):
    method = getattr(GRPOTrainer, name)
    assert wanted in inspect.getsource(inspect.unwrap(method))


def test_rollouts_are_asked_for_as_they_were():
    """`RolloutSampler` takes the place of this one."""
    numbers = list(RepeatSampler("abcd", mini_repeat_count=2, batch_size=2, repeat_count=3, shuffle=False))
    assert numbers == [0, 0, 1, 1] * 3 + [2, 2, 3, 3] * 3
