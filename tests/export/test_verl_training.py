"""The training beside the Parquet files: its reward and its agent loop, with a stand-in for verl."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from asked import module_at

from mmrad.box import Box
from mmrad.corpus import Corpus
from mmrad.export.verl import export_verl
from mmrad.inspectors.base import InspectionSettings
from mmrad.teach import write_scripted_negatives
from mmrad.train.reinforcement.rewards import RewardRules, judge
from taught import BUDGET, PLAIN, WIDE, taught_corpus

NO = "<answer>No.</answer>"
YES = "<answer>Yes. {'bbox_2d': [1, 1, 9, 9], 'label': 'it'}</answer>"
END = 999
VISION = {1000 + place: -100.0 for place in range(4)}


class Tokenizer:
    """A token for each character."""

    unk_token_id = None
    eos_token_id = END

    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        assert not add_special_tokens
        return [ord(character) for character in text]

    def decode(self, ids: Sequence[int], skip_special_tokens: bool) -> str:
        assert skip_special_tokens
        return "".join(chr(token) for token in ids if token != END)

    def convert_tokens_to_ids(self, token: str) -> int:
        return 1000 + ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"].index(token)


class Output(SimpleNamespace):
    """As much of verl's AgentLoopOutput as is changed."""

    def model_copy(self, update: dict[str, Any]) -> "Output":
        return Output(**{**vars(self), **update})


class SingleTurnAgentLoop:
    """Answers with the next text of `says`; later ones sooner."""

    says: list[str | Exception]

    def __init__(self, config: SimpleNamespace) -> None:
        self.config = config
        self.rollout_config = config.rollout
        self.response_length = config.rollout.response_length
        self.tokenizer = Tokenizer()

    async def run(self, sampling_params: dict[str, Any], **row: Any) -> Output:
        assert sampling_params == {"temperature": 1.0, "logit_bias": VISION}
        said = self.says.pop()
        for _ in self.says:
            await asyncio.sleep(0)
        if isinstance(said, Exception):
            raise said
        ids = [*self.tokenizer.encode(said, add_special_tokens=False), END]
        return Output(response_ids=ids, response_mask=[1] * len(ids), extra_fields={"turn_scores": []})


def config_of(**changed: Any) -> SimpleNamespace:
    rollout = {
        "calculate_log_probs": False, "response_length": 512, "val_kwargs": SimpleNamespace(n=1), **changed
    }  # fmt: skip
    return SimpleNamespace(
        rollout=SimpleNamespace(**rollout), trainer=SimpleNamespace(use_v1=changed.get("use_v1", True))
    )


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    made = taught_corpus(tmp_path / "corpus")
    write_scripted_negatives(made, budget=BUDGET, samples=made.samples)
    return made


@pytest.fixture
def out(corpus: Corpus, tmp_path: Path) -> Path:
    export_verl(corpus, tmp_path / "out", settings=InspectionSettings(budget=BUDGET))
    return tmp_path / "out"


@pytest.fixture
def rows(out: Path) -> dict[str, dict[str, Any]]:
    found = pq.read_table(out / "train.parquet").to_pylist()
    return {row["extra_info"]["sample_id"]: row | {"uid": "1", "global_steps": 1} for row in found}


@pytest.fixture
def loop(out: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    base = "verl.experimental.agent_loop"
    for name, members in (
        ("verl", {}),
        ("verl.experimental", {}),
        (base, {}),
        (f"{base}.agent_loop", {"AgentLoopOutput": Output}),
        (f"{base}.single_turn_agent_loop", {"SingleTurnAgentLoop": SingleTurnAgentLoop}),
    ):
        module = ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)
    return module_at(out / "mmrad_agent_loop.py")


def rollout(
    loop: ModuleType, row: dict[str, Any], says: list[str | Exception], **changed: Any
) -> list[Output | BaseException]:
    """All members of a group as verl starts them: each by an agent loop of its own, at once."""

    async def group() -> list[Any]:
        SingleTurnAgentLoop.says = list(says)
        loops = [loop.ContrastiveAgentLoop(config_of(**changed)) for _ in says]
        tasks = [asyncio.create_task(one.run({"temperature": 1.0}, **row)) for one in loops]
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = asyncio.run(group())
    assert loop.Group.waiting == {}
    return found


def texts_of(outputs: Sequence[Any]) -> list[str]:
    for one in outputs:
        assert one.response_ids[-1] == END
        assert one.response_mask == [1] * len(one.response_ids)
    return [Tokenizer().decode(one.response_ids, True) for one in outputs]


def test_the_reward_is_that_of_mmrad(out: Path, rows: dict[str, dict[str, Any]]) -> None:
    reward = module_at(out / "reward.py")
    for name, row in rows.items():
        about, truth = row["extra_info"], row["reward_model"]["ground_truth"]
        boxes = [Box(*box) for box in json.loads(truth)["boxes"]]
        for text in (about["answer"], *about["negatives"], NO, YES, "hm"):
            given = reward.compute_score(row["data_source"], text, truth, about)
            assert given["score"] == judge(text, boxes).reward
            assert given["acc"] == judge(text, boxes).correct
        assert reward.compute_score("", about["answer"], truth)["score"] == 1, name


def test_the_rules_of_the_reward_come_from_the_configuration(
    out: Path, rows: dict[str, dict[str, Any]]
) -> None:
    reward = module_at(out / "reward.py")
    settings = yaml.safe_load((out / "config.yaml").read_text("utf-8"))["reward"]["custom_reward_function"]
    assert settings["name"] == "compute_score"
    assert RewardRules(**settings["reward_kwargs"]) == RewardRules()
    truth = rows[WIDE]["reward_model"]["ground_truth"]
    assert reward.compute_score("", YES, truth, None, **settings["reward_kwargs"])["score"] == pytest.approx(
        0.6
    )
    assert reward.compute_score("", YES, truth, None, penalty=0.5)["score"] == 0


def test_a_group_of_wrong_responses_gets_the_verified_text(
    loop: ModuleType, rows: dict[str, dict[str, Any]]
) -> None:
    outputs = rollout(loop, rows[WIDE], [NO] * 8)
    texts = texts_of(outputs)
    assert texts.count(rows[WIDE]["extra_info"]["answer"]) == 1
    assert texts.count(NO) == 7
    assert [one.extra_fields["injected"] for one in outputs] == [text != NO for text in texts]


def test_a_group_of_right_responses_gets_two_negatives_too(
    loop: ModuleType, rows: dict[str, dict[str, Any]]
) -> None:
    about = rows[PLAIN]["extra_info"]
    texts = texts_of(rollout(loop, rows[PLAIN], [NO] * 8))
    assert texts.count(about["answer"]) == 1
    assert sum(text in about["negatives"] for text in texts) == 2
    assert texts.count(NO) == 5


def test_a_mixed_group_keeps_its_other_responses_where_they_are(
    loop: ModuleType, rows: dict[str, dict[str, Any]]
) -> None:
    said: list[str | Exception] = [YES, NO, YES, NO]
    texts = texts_of(rollout(loop, rows[PLAIN], said))
    assert sum(one != other for one, other in zip(texts, reversed(said), strict=True)) == 1


def test_a_group_of_one_is_validation(loop: ModuleType, rows: dict[str, dict[str, Any]]) -> None:
    (output,) = rollout(loop, rows[WIDE], [NO])
    assert texts_of([output]) == [NO]
    assert not output.extra_fields["injected"]  # type: ignore[union-attr]


def test_a_text_that_would_be_cut_is_not_put_in(loop: ModuleType, rows: dict[str, dict[str, Any]]) -> None:
    longest = len(rows[WIDE]["extra_info"]["answer"])
    assert NO in texts_of(rollout(loop, rows[WIDE], [NO] * 2, response_length=longest + 1))
    texts = texts_of(rollout(loop, rows[WIDE], [NO] * 2, response_length=longest))
    assert rows[WIDE]["extra_info"]["answer"] not in texts


@pytest.mark.parametrize("place", [0, 3, 7])
def test_a_failure_ends_the_whole_group(
    loop: ModuleType, rows: dict[str, dict[str, Any]], place: int
) -> None:
    said: list[str | Exception] = [NO] * 8
    said[place] = OSError("the server is gone")
    outputs = rollout(loop, rows[WIDE], said)
    assert all(isinstance(one, OSError | RuntimeError) for one in outputs)
    assert sum(isinstance(one, OSError) for one in outputs) == 1
    assert all("the server is gone" in str(one) for one in outputs)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"calculate_log_probs": True}, "calculate_log_probs=false"),
        ({"val_kwargs": SimpleNamespace(n=4)}, "val_kwargs.n=1, not 4"),
        ({"use_v1": False}, "use_v1=true"),
    ],
)
def test_settings_that_break_groups_are_refused(
    loop: ModuleType, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        loop.ContrastiveAgentLoop(config_of(**changed))


def test_without_mmrad_the_files_say_what_to_install(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mmrad.train.reinforcement.rewards", None)
    for name in ("reward.py", "mmrad_agent_loop.py"):
        with pytest.raises(ImportError, match="pip install --no-deps mmrad"):
            module_at(out / name)


def test_rewards_and_contrast_need_numpy_alone() -> None:
    code = (
        "import sys; before = set(sys.modules); "
        "import mmrad.train.reinforcement.rewards, mmrad.train.reinforcement.contrast; "
        "print({name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("{'mmrad', 'numpy'}", "{'numpy', 'mmrad'}")


def test_the_configuration_is_the_papers(out: Path) -> None:
    config = yaml.safe_load((out / "config.yaml").read_text("utf-8"))
    actor, rollout = config["actor_rollout_ref"]["actor"], config["actor_rollout_ref"]["rollout"]
    model = config["actor_rollout_ref"]["model"]
    assert config["data"]["train_files"] == ["${folder}/train.parquet"]
    assert config["data"]["val_files"] == ["${folder}/test.parquet"]
    assert (config["data"]["train_batch_size"], actor["ppo_mini_batch_size"], rollout["n"]) == (32, 8, 8)
    assert (config["data"]["max_prompt_length"], config["data"]["max_response_length"]) == (2048, 512)
    assert (rollout["temperature"], rollout["top_p"], rollout["top_k"]) == (1.0, 1.0, -1)
    assert float(actor["optim"]["lr"]) == 2e-6
    assert (actor["optim"]["lr_warmup_steps_ratio"], actor["optim"]["weight_decay"]) == (0.1, 0.01)
    assert (actor["kl_loss_coef"], actor["clip_ratio_low"], actor["clip_ratio_high"]) == (0.001, 0.2, 0.2)
    assert (model["lora_rank"], model["lora_alpha"]) == (16, 16)


def test_launch_hands_over_folder_model_and_settings(out: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python3").write_text('#!/bin/sh\necho "$PYTHONPATH"\nprintf "%s\\n" "$@"\n')
    (programs / "python3").chmod(0o755)
    asked = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": ""}
    command = ["bash", str(out / "launch.sh"), "MODEL", "trainer.nnodes=4"]
    done = subprocess.run(command, env=asked, capture_output=True, text=True, check=True)
    path, *arguments = done.stdout.splitlines()
    assert path == str(out)
    assert arguments[:2] == ["-m", "verl.trainer.main_ppo"]
    assert {f"folder={out}", "actor_rollout_ref.model.path=MODEL", "trainer.nnodes=4"} <= {*arguments}
    done = subprocess.run(command[:2], env=asked, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage" in done.stderr
