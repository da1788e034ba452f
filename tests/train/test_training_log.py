"""The log of a training, its stop at what is no number, and its reports."""

import json
from types import SimpleNamespace

import pytest
import torch
from transformers import TrainerControl, TrainerState

from mmrad.errors import DataError, TrainingError
from mmrad.train.callbacks import StopAtNaN, TrainingLog, cut

FIELDS = {"loss": "loss", "num_input_tokens_seen": "tokens"}


def state(step, *, zero=True):
    return TrainerState(global_step=step, max_steps=20, epoch=step / 10, is_world_process_zero=zero)


def write(log, *steps):
    for step in steps:
        log.on_log(None, state(step), None, logs={"loss": 1.0 / step, "num_input_tokens_seen": step, "x": 9})


def lines(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_line_has_what_is_wanted_under_its_name(tmp_path):
    log = TrainingLog(tmp_path, fields=FIELDS)
    log.on_train_begin(None, state(0), None)
    write(log, 2)
    log.on_log(None, state(2), None, logs={"train_loss": 0.5, "train_runtime": 3.0})
    (line,) = lines(tmp_path)
    assert line.pop("seconds") >= 0
    assert line == {"step": 2, "epoch": 0.2, "loss": 0.5, "tokens": 2}
    everything = TrainingLog(tmp_path / "all")
    everything.on_train_begin(None, state(0), None)
    write(everything, 1)
    assert lines(tmp_path / "all")[0].keys() == {
        "step",
        "epoch",
        "loss",
        "num_input_tokens_seen",
        "x",
        "seconds",
    }


def test_a_resumed_log_has_no_step_twice(tmp_path):
    log = TrainingLog(tmp_path, fields=FIELDS)
    log.on_train_begin(None, state(0), None)
    write(log, 2, 4, 6)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 8, "lo')  # killed here
    resumed = TrainingLog(tmp_path, fields=FIELDS)
    resumed.on_train_begin(None, state(4), None)
    write(resumed, 6, 8)
    assert [line["step"] for line in lines(tmp_path)] == [2, 4, 6, 8]


def test_each_saved_step_is_logged_and_progress_is_told(tmp_path):
    told = []
    log = TrainingLog(tmp_path, lambda done, total: told.append((done, total)))
    control = TrainerControl()
    log.on_step_end(None, state(3), control)
    assert not control.should_log
    control.should_save = True
    log.on_step_end(None, state(4), control)
    assert control.should_log
    log.on_step_end(None, state(5, zero=False), control)
    assert told == [(3, 20), (4, 20)]


def test_other_processes_write_nothing(tmp_path):
    log = TrainingLog(tmp_path)
    log.on_train_begin(None, state(0, zero=False), None)
    log.on_log(None, state(1, zero=False), None, logs={"loss": 1.0})
    assert not (tmp_path / "log.jsonl").exists()


def test_a_damaged_line_says_where(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\nnonsense\n{"step": 2}\n')
    with pytest.raises(DataError, match=r"log\.jsonl, line 2: not JSON"):
        cut(path, 5)


def test_numbers_that_are_none_stop_the_training_with_the_ids():
    stop = StopAtNaN(lambda: ["made/part/3", "made/part/5"])
    stop.check(torch.tensor(1.0), 0)
    with pytest.raises(
        TrainingError, match=r"the loss of update 8 came to nan; its batch was made/part/3, made/p"
    ):
        stop.check(torch.tensor(float("nan")), 7)
    model = torch.nn.Linear(2, 2)
    model.weight.grad = torch.ones(2, 2)
    stop.on_pre_optimizer_step(None, state(7), None, model=model)
    model.weight.grad[0, 1] = float("inf")
    with pytest.raises(TrainingError, match="the gradient of update 8 came to inf"):
        stop.on_pre_optimizer_step(None, state(7), None, model=model)
    with torch.no_grad():
        model.bias[1] = float("nan")
    stop.on_step_end(None, state(8), SimpleNamespace(should_save=False), model=model)
    with pytest.raises(TrainingError, match="the weights of update 8 came to nan"):
        stop.on_step_end(None, state(8), SimpleNamespace(should_save=True), model=model)
