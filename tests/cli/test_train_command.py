"""`mmrad train sft`, `grpo` and `publish`, one after the other, on a tiny model."""

import json

import pytest

from commands import run
from mmrad.errors import UsageError
from mmrad.teach.wrong import ScriptedNegatives
from squares import make_squares

RECIPE = """
name = "tiny"

[data]
corpus = "{corpus}"
texts = "fresh"

[asking]
max_tokens = 24

[nano]
text_width = 32
text_layers = 1
text_heads = 2
text_mlp = 64
vision_width = 32
vision_layers = 1
vision_heads = 2
vision_mlp = 32
vocabulary = 1600

[pretraining]
weight_decay = 0.0
seed = 0
stages = [{{ objective = "texts", steps = 2, batch_size = 4, learning_rate = 1e-2 }}]

[sft]
steps = 2
batch = 4
sample_steps = 1

[grpo]
steps = 2
prompts = 2
responses = 2
updates = 2
max_tokens = 8
save_steps = 2
"""


@pytest.fixture
def recipe(tmp_path):
    corpus = make_squares(tmp_path)
    (tmp_path / "recipe.toml").write_text(RECIPE.format(corpus=corpus.path))
    return tmp_path / "recipe.toml"


def test_from_nothing_to_a_folder_to_publish(recipe, tmp_path, monkeypatch):
    wrote = []
    write = ScriptedNegatives.write
    monkeypatch.setattr(ScriptedNegatives, "write", lambda *given: wrote.append(given) or write(*given))
    out = tmp_path / "out"
    with pytest.raises(UsageError, match=r"sft.model: not there; first  mmrad train sft"):
        run("train", "grpo", recipe, "--out", out)
    assert not out.exists()
    assert "sft/model" in run("train", "sft", recipe, "--out", out)
    assert not wrote, "negatives that fine-tuning does not read"
    assert "grpo/model" in run("train", "grpo", recipe, "--out", out)
    assert wrote
    for stage in ("sft", "grpo"):
        read = json.loads((out / stage / "trained_on.json").read_text())
        assert [(part["source"], part["images"], part["anomalous"]) for part in read] == [("made", 12, 6)]
        assert "<svg" in (out / stage / "plots.html").read_text()
        assert json.loads((out / stage / "log.jsonl").read_text().splitlines()[-1])["step"] == 2
    assert "sft/model" in run("train", "sft", recipe, "--out", out)  # it is there
    run("train", "publish", out / "grpo", "--out", tmp_path / "published", "--licence", "apache-2.0")
    assert "license: apache-2.0" in (tmp_path / "published" / "README.md").read_text()


BASE = """
name = "taught"
data = { corpus = "nowhere" }
asking = {}
base = { path = "anomaly-r1-nano" }
"""
STAGES = """
[pretraining]
weight_decay = 0.0
seed = 0
stages = [{ objective = "texts", steps = 2, batch_size = 4, learning_rate = 1e-2 }]
"""


def test_a_base_that_is_taught_further_is_as_large_as_it_is(tmp_path):
    path = tmp_path / "taught.toml"
    path.write_text(BASE + STAGES + "[sft]\nsteps = 2\n[grpo]\nsteps = 2\n")
    for training in ("sft", "grpo"):
        assert "5,015,616" in run("train", training, path, "--out", tmp_path / "out", "--dry-run")
    path.write_text(BASE + STAGES)
    with pytest.raises(UsageError, match=r"has no \[sft\] table"):
        run("train", "sft", path, "--out", tmp_path / "out", "--dry-run")


def test_a_recipe_without_a_training_or_a_model_is_refused(recipe, tmp_path):
    text = recipe.read_text()
    recipe.write_text(text.partition("[nano]")[0] + '[base]\npath = "anomaly-r1-nano"\n')
    with pytest.raises(UsageError, match=r"has no \[sft\] table"):
        run("train", "sft", recipe, "--out", tmp_path / "out")
    recipe.write_text(text.partition("[nano]")[0] + "[sft]\nsteps = 2\n")
    with pytest.raises(UsageError, match="begins with no model"):
        run("train", "sft", recipe, "--out", tmp_path / "out")


def test_a_dry_run_tells_the_memory_and_writes_nothing(recipe, tmp_path):
    told = run("train", "sft", recipe, "--out", tmp_path / "out", "--dry-run", "--start", "anomaly-r1-nano")
    assert "5,015,616" in told and "at most, per device" in told
    assert not (tmp_path / "out").exists()
