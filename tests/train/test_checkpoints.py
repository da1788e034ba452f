"""Which checkpoints count, and what a failure to write one says."""

import json
from types import SimpleNamespace

import pytest
import torch
from safetensors import SafetensorError

from mmrad.errors import TrainingError
from mmrad.train.checkpoints import MarkWhole, is_last, latest_checkpoint, load_weights, saving
from mmrad.train.models import load_model
from tiny_models import write_tiny


def write(folder, step, *, whole=True):
    checkpoint = folder / f"checkpoint-{step}"
    (checkpoint / "inner").mkdir(parents=True)
    (checkpoint / "trainer_state.json").write_text(json.dumps({"global_step": step, "max_steps": 10}))
    (checkpoint / "inner" / "weights").write_bytes(b"12345")
    if whole:
        args, state = SimpleNamespace(output_dir=str(folder)), SimpleNamespace(global_step=step)
        state.is_world_process_zero = True
        MarkWhole().on_save(args, state, None)
    return checkpoint


def test_without_checkpoints_there_is_none(tmp_path):
    assert latest_checkpoint(tmp_path / "nowhere") is None
    (tmp_path / "notes").mkdir()
    assert latest_checkpoint(tmp_path) is None
    assert (tmp_path / "notes").exists()


def test_the_last_by_number_is_the_latest(tmp_path):
    written = [write(tmp_path, step) for step in (8, 10)]
    assert latest_checkpoint(tmp_path) == written[-1]
    assert is_last(tmp_path / "checkpoint-10")
    assert not is_last(tmp_path / "checkpoint-8")


def unmarked(path):
    (path / "whole.json").unlink()


def half_marked(path):
    (path / "whole.json").write_text('{"inner/we')


def without_a_file(path):
    (path / "inner" / "weights").unlink()


def with_half_a_file(path):
    (path / "inner" / "weights").write_bytes(b"12")


@pytest.mark.parametrize("break_it", [unmarked, half_marked, without_a_file, with_half_a_file])
def test_a_part_of_a_checkpoint_does_not_count_and_is_removed(break_it, tmp_path):
    kept, broken = write(tmp_path, 4), write(tmp_path, 6)
    break_it(broken)
    assert latest_checkpoint(tmp_path) == kept
    assert not broken.exists()


def test_other_processes_remove_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    broken = write(tmp_path, 6, whole=False)
    assert latest_checkpoint(tmp_path) is None
    assert broken.exists()


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), RuntimeError("file write failed"), SafetensorError("io")],
)
def test_a_failed_save_says_what_goes_on_from_where(error, tmp_path):
    def fail():
        with saving(tmp_path / "checkpoint-6"):
            write(tmp_path, 6, whole=False)
            raise error

    with pytest.raises(TrainingError, match=r"checkpoint-6: cannot be written \(.*\).* it begins anew"):
        fail()
    assert not (tmp_path / "checkpoint-6").exists(), "its room is wanted"
    kept = write(tmp_path, 4)
    with pytest.raises(TrainingError, match=rf"run the same command again: it goes on from {kept}"):
        fail()


def test_weights_come_back_under_whatever_names_they_were_saved(tmp_path):
    """Guards a fault of transformers' own resuming, which finds no weight of Qwen2.5-VL (issue 43701)."""
    model = load_model(write_tiny("qwen2_5_vl", tmp_path / "start"))[0]
    for weight in model.parameters():
        torch.nn.init.normal_(weight)
    model.save_pretrained(tmp_path / "checkpoint-1")
    other = load_model(tmp_path / "start")[0]
    load_weights(other, tmp_path / "checkpoint-1")
    for name, weight in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], weight), name
