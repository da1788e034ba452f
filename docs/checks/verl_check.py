"""Run what `mmrad export --to verl` writes with verl itself, on a CPU: all but the model's weights.

    PYTHONPATH=src:tests .venv/bin/python docs/checks/verl_check.py make FOLDER
    VENV/bin/python docs/checks/verl_check.py check FOLDER

The second command needs a virtual environment with  verl[verl-core]==0.9.1,  transformers below 5.11, and
mmrad without what it depends on (`pip install --no-deps PATH`). It composes and validates the configuration
as `launch.sh` does, loads the rows, calls the reward as verl's reward worker does, and sends rollouts through
verl's agent-loop workers, on Ray and TransferQueue. A stand-in for vLLM answers them. It ends with 1 when
something differs from what mmrad says.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import asyncio
import copy
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

NO = "<think>It looks like the other.</think><answer>No.</answer>"
YES = "<think>There.</think><answer>Yes. {'bbox_2d': [1, 1, 9, 9], 'label': 'it'}</answer>"
FAILURE = "fail"
PATIENCE = 300
"""Seconds for a rollout of 128 responses."""

SCENARIOS = {
    "all No": [NO] * 8,
    "half No": [NO, YES] * 4,
    "all Yes": [YES] * 8,
    "one fails": [NO] * 3 + [FAILURE] + [NO] * 4,
}
"""What the stand-in answers, the responses of a group in turn."""


def make(folder: Path) -> None:
    """Write a small corpus with texts and negatives, and its export."""
    from mmrad.export.verl import export_verl
    from mmrad.inspectors.base import InspectionSettings
    from mmrad.teach import write_scripted_negatives
    from taught import BUDGET, taught_corpus

    corpus = taught_corpus(folder / "corpus")
    write_scripted_negatives(corpus, budget=BUDGET, samples=corpus.samples)
    print(export_verl(corpus, folder / "verl", settings=InspectionSettings(budget=BUDGET)), "samples")


def save_model(folder: Path) -> None:
    """A tiny Qwen2.5-VL with the chat template, the special tokens and the limits of its checkpoints."""
    from transformers import Qwen2VLImageProcessor

    from mmrad.train.pretraining.nano import NanoSize, build_nano, train_tokenizer

    size = NanoSize(text_width=32, text_layers=1, vision_width=32, vision_layers=1)
    model, processor = build_nano(
        train_tokenizer(["system user assistant Is it normal?"], size), size, seed=0
    )
    processor.image_processor = Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=16384 * 28 * 28)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def composed(export: Path, model: Path, *settings: str) -> Any:
    """The configuration as Hydra hands it to verl's main function."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(export), version_base=None):
        return compose("config", [f"folder={export}", f"actor_rollout_ref.model.path={model}", *settings])


def check_launch(export: Path, model: Path) -> bool:
    """`launch.sh`, to where Hydra would start the training."""
    command = ["bash", str(export / "launch.sh"), str(model), "--cfg", "job", "--resolve"]
    paths = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, env={**os.environ, **paths}, capture_output=True, text=True, check=False)
    good = done.returncode == 0 and str(export / "reward.py") in done.stdout
    print(f"launch.sh --cfg job: {len(done.stdout.splitlines())} lines", "" if good else done.stderr[-2000:])
    return good


def check_config(export: Path, model: Path) -> bool:
    """The validation of verl, for all sizes of the guide, and for both readings of Eq. 1."""
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    if importlib.util.find_spec("vllm") is None:
        print("no vLLM here: whether it takes the rank of the adapters is not asked")
        stub = ModuleType("verl.workers.rollout.vllm_rollout.utils")
        stub.__dict__["get_vllm_max_lora_rank"] = lambda rank: rank
        package = ModuleType("verl.workers.rollout.vllm_rollout")
        package.__path__ = []
        sys.modules |= {package.__name__: package, stub.__name__: stub}
    for settings in (
        ["trainer.n_gpus_per_node=1"],
        [],
        ["trainer.nnodes=2", "+ray_kwargs.ray_init.address=auto"],
        ["actor_rollout_ref.actor.loss_agg_mode=seq-mean-token-mean"],
    ):
        config = composed(export, model, *settings)
        print(f"validate_config {settings or 'as written'}:", end=" ", flush=True)
        validate_config(config, need_reference_policy(config), need_critic(config))
    return need_reference_policy(config) and not need_critic(config)


def check_adapters(model: Path) -> bool:
    """Which layers get adapters, by the rule in the configuration."""
    from peft import LoraConfig, get_peft_model
    from transformers import Qwen2_5_VLForConditionalGeneration

    adapted = get_peft_model(
        Qwen2_5_VLForConditionalGeneration.from_pretrained(model),
        LoraConfig(r=16, lora_alpha=16, target_modules="all-linear", exclude_modules=".*visual.*"),
    )
    names = [name for name, parameter in adapted.named_parameters() if parameter.requires_grad]
    vision = [name for name in names if "visual" in name]
    kinds = sorted({name.split(".lora_A")[0].split(".")[-1] for name in names if ".lora_A" in name})
    print(f"adapters on {', '.join(kinds)}; in the vision tower: {len(vision)}")
    return not vision and len(kinds) == 7


def rows_of(config: Any, files: Any) -> list[dict[str, Any]]:
    """The rows as the trainer loads them."""
    from verl.trainer.ppo.utils import create_rl_dataset
    from verl.utils import hf_processor, hf_tokenizer

    path = config.actor_rollout_ref.model.path
    data = create_rl_dataset(files, config.data, hf_tokenizer(path), hf_processor(path))
    return [data[index] for index in range(len(data))]


def check_reward(config: Any, rows: list[dict[str, Any]]) -> bool:
    """The reward worker of verl against `mmrad.train.reinforcement.rewards.judge`."""
    import numpy as np
    import torch
    from tensordict import TensorDict
    from verl import DataProto
    from verl.experimental.reward_loop.reward_loop import RewardLoopWorker

    from mmrad.box import Box
    from mmrad.train.reinforcement.rewards import judge

    async def scored(row: dict[str, Any], text: str) -> dict[str, Any]:
        ids = torch.tensor([worker.input_tokenizer.encode(text)])
        batch = TensorDict({"responses": ids, "attention_mask": torch.ones_like(ids)}, batch_size=1)
        fields = {name: np.array([row[name]], dtype=object) for name in ("data_source", "reward_model")}
        return dict(await worker.compute_score(DataProto(batch=batch, non_tensor_batch=fields)))

    async def all_scored() -> bool:
        nonlocal worker
        worker = RewardLoopWorker(config)
        good = True
        for row in rows:
            about = row["extra_info"]
            truth = [Box(*box) for box in json.loads(row["reward_model"]["ground_truth"])["boxes"]]
            texts = [about["answer"], *about["negatives"], "no answer at all"]
            found = [(await scored(row, text))["reward_score"] for text in texts]
            expected = [judge(text, truth).reward for text in texts]
            same = found == expected and found[0] == 1
            good &= same
            rounded = [round(value, 6) for value in found]
            print(f"  {about['sample_id']}: {rounded}", "" if same else f"DIFFERENT, mmrad says {expected}")
        return good

    worker: Any = None
    print("rewards of the verified text, of the negatives, of a text without an answer:")
    return asyncio.run(all_scored())


class StandIn:
    """Answers as vLLM does, with the responses of the scenario that is named at the end of the prompt.

    Args:
        model: Folder of the tokenizer.
    """

    def __init__(self, model: Path) -> None:
        self.model = str(model)
        self.asked: Counter[str] = Counter()

    async def generate(self, request_id: str, *, prompt_ids: Any, sampling_params: Any, **_: Any) -> Any:
        """One response; the later one of a group is asked for, the sooner it comes."""
        from verl.utils import hf_tokenizer
        from verl.workers.rollout.replica import TokenOutput

        tokenizer = hf_tokenizer(self.model)
        prompt = tokenizer.decode(prompt_ids)
        texts = SCENARIOS[next(name for name in SCENARIOS if f"({name})" in prompt)]
        text = texts[self.asked[prompt] % len(texts)]
        self.asked[prompt] += 1
        await asyncio.sleep(0.5 - 0.05 * self.asked[prompt])
        if text == FAILURE:
            raise RuntimeError("the server is gone")
        assert len(sampling_params["logit_bias"]) == 4, sampling_params
        return TokenOutput(token_ids=[*tokenizer.encode(text), tokenizer.eos_token_id])


def asked_in(rows: list[dict[str, Any]], scenario: str) -> list[dict[str, Any]]:
    """The rows with the name of a scenario at the end of the question."""
    asked = copy.deepcopy(rows)
    for row in asked:
        row["raw_prompt"][-1]["content"].append({"type": "text", "text": f"({scenario})"})
    return asked


def rollout(manager: Any, rows: list[dict[str, Any]], tokenizer: Any, partition: str) -> list[Any]:
    """Send rows through verl's agent-loop workers.

    Returns:
        For each row the status of its group, and the responses that came of it.
    """
    import numpy as np
    import transfer_queue as tq
    from verl.utils import tensordict_utils as tu
    from verl.utils.dataset.rl_dataset import collate_fn

    fields = collate_fn([dict(row) for row in rows])
    uids = [f"{partition}{number}x" for number in range(len(rows))]
    fields["uid"] = np.array(uids, dtype=object)
    batch = tu.get_tensordict(fields)
    tu.assign_non_tensor_data(batch, "global_steps", 1)
    if partition == "val":
        tu.assign_non_tensor_data(batch, "validate", True)
    manager.generate_sequences(batch)
    states, until = ["running"], time.monotonic() + PATIENCE
    while not set(states) <= {"finished", "failure"}:
        assert time.monotonic() < until, f"after {PATIENCE} s the groups are {states}"
        time.sleep(0.2)
        tags = tq.kv_list(partition_id=partition).get(partition, {})
        states = [tags.get(uid, {}).get("status") for uid in uids]
    keys = [sorted(key for key in tags if key.startswith(f"{uid}_")) for uid in uids]
    return [
        (state, responses_in(tq.kv_batch_get(keys=found, partition_id=partition), tokenizer) if found else [])
        for state, found in zip(states, keys, strict=True)
    ]


def responses_in(data: Any, tokenizer: Any) -> list[dict[str, Any]]:
    """What the trainer gets of a group."""
    assert "rollout_log_probs" not in data
    return [
        {
            "text": tokenizer.decode(data["responses"][number].tolist(), skip_special_tokens=True),
            "ends": data["responses"][number].tolist()[-1] == tokenizer.eos_token_id,
            "learned": set(data["response_mask"][number].tolist()) == {1},
            "reward": round(float(data["rm_scores"][number].sum()), 6),
        }
        for number in range(len(data))
    ]


def check_contrast(config: Any, model: Path, rows: list[dict[str, Any]]) -> bool:
    """Rollouts of all scenarios, and a validation."""
    import ray
    from verl.experimental.reward_loop.reward_loop import RewardLoopWorker
    from verl.trainer.ppo.v1 import AgentLoopManagerTQ
    from verl.utils import hf_tokenizer

    manager = AgentLoopManagerTQ.create(
        config=config,
        llm_client=StandIn(model),
        teacher_client=None,
        reward_loop_worker_handles=[ray.remote(RewardLoopWorker).remote(config)],
    )
    tokenizer = hf_tokenizer(str(model))
    asked = [(name, row) for name in SCENARIOS for row in asked_in(rows, name)]
    found = rollout(manager, [row for _, row in asked], tokenizer, "train")
    good = True
    for (name, row), (state, responses) in zip(asked, found, strict=True):
        good &= group_is_right(name, row, state, responses)
    validated = rollout(manager, asked_in(rows, "all No"), tokenizer, "val")
    texts = [one["text"] for _, responses in validated for one in responses]
    print(f"validation: {dict(Counter(texts))}")
    return good and texts == [NO] * len(rows)


def group_is_right(name: str, row: dict[str, Any], state: str, responses: list[dict[str, Any]]) -> bool:
    """Print a group; whether it has right and wrong responses, none of them from elsewhere."""
    about = row["extra_info"]
    if FAILURE in SCENARIOS[name]:
        print(f"{name}: {about['sample_id']}: the group is a {state}, of which {len(responses)} are used")
        return state == "failure" and not responses
    origins = {about["answer"]: "verified", **dict.fromkeys(about["negatives"], "negative")}
    origins |= dict.fromkeys(SCENARIOS[name], "sampled")
    kinds = [origins.get(one["text"], "UNKNOWN") for one in responses]
    rewards = [one["reward"] for one in responses]
    print(f"{name}: {about['sample_id']}: {dict(Counter(kinds))}, rewards {rewards}")
    whole = all(one["ends"] and one["learned"] for one in responses)
    return whole and "UNKNOWN" not in kinds and kinds.count("verified") == 1 and len(set(rewards)) > 1


def check(folder: Path) -> bool:
    """All checks, in the environment of verl."""
    import ray
    import transfer_queue as tq

    export, model = folder.resolve() / "verl", folder.resolve() / "model"
    tools = ("verl", "transformers", "torch", "ray", "mmrad")
    print(", ".join(f"{tool} {version(tool)}" for tool in tools))
    save_model(model)
    good = check_launch(export, model) & check_config(export, model) & check_adapters(model)
    config = composed(
        export,
        model,
        "actor_rollout_ref.rollout.agent.num_workers=1",
        "data.filter_overlong_prompts_workers=null",
    )
    rows = rows_of(config, config.data.train_files) + rows_of(config, config.data.val_files)
    print(f"{len(rows)} rows: {[row['extra_info']['sample_id'] for row in rows]}")
    good &= check_reward(config, rows)
    ray.init(
        num_cpus=4,
        include_dashboard=False,
        runtime_env={"env_vars": {"PYTHONPATH": str(export)}},
        log_to_driver="VERBOSE" in os.environ,
    )
    config.transfer_queue.enable = True
    config.transfer_queue.backend.SimpleStorage.num_data_storage_units = 1
    tq.init(config.transfer_queue)
    good &= check_contrast(config, model, rows)
    ray.shutdown()
    print("all as mmrad says" if good else "SOMETHING DIFFERS")
    return good


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["make", "check"])
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    if asked.what == "make":
        make(asked.folder)
    else:
        sys.exit(not check(asked.folder))


if __name__ == "__main__":
    main()
