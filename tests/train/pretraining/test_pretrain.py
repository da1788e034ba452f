import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from mmrad.corpus import Corpus
from mmrad.errors import DataError, ProviderError, UsageError
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.local import LocalInspector
from mmrad.inspectors.make import make_inspector, settings_beside
from mmrad.train.examples.example import Collator
from mmrad.train.examples.scripted import ScriptedExamples
from mmrad.train.models import save_model
from mmrad.train.pretraining.conversing import ConversationCollator
from mmrad.train.pretraining.nano import NanoSize, build_nano, train_tokenizer
from mmrad.train.pretraining.pretrain import pretrain
from mmrad.train.recipe import Asking, Base, Data, Pretraining, Recipe, Stage, load_recipe, settings_from

TINY = NanoSize(
    text_width=32, text_layers=1, text_heads=2, text_mlp=64,
    vision_width=32, vision_layers=1, vision_heads=2, vision_mlp=32, vocabulary=1600,
)  # fmt: skip


def recipe(steps: int) -> Recipe:
    stages = tuple(
        Stage(objective=objective, steps=count, batch_size=8, learning_rate=1e-2, warmup_steps=2)
        for objective, count in (("features", 10), ("pairs", 10), ("texts", steps))
    )
    training = Pretraining(stages=stages, weight_decay=0.0, seed=0, save_steps=10, logging_steps=5)
    return Recipe(name="tiny", data=Data(), asking=Asking(max_tokens=24), nano=TINY, pretraining=training)


def examples(corpus: Corpus) -> ScriptedExamples:
    return ScriptedExamples(corpus.pairs(corpus.samples), settings_from(Asking()), seed=0)


@pytest.fixture(scope="module")
def tiny():
    """An untrained tiny model and its processor."""
    texts = ["You inspect industrial products. Is there an anomaly? Yes. No. stain row column upper left"]
    return build_nano(train_tokenizer(texts, TINY), TINY, seed=0)


def test_numbers_are_single_tokens(tiny):
    tokenizer = tiny[1].tokenizer
    ids = tokenizer.encode("{'bbox_2d': [7, 42, 999, 100]", add_special_tokens=False)
    pieces = [tokenizer.decode([token]) for token in ids]
    assert {"7", "42", "999", "100"} <= set(pieces)
    assert tokenizer.decode(ids) == "{'bbox_2d': [7, 42, 999, 100]"


def test_only_the_completion_has_labels(squares, tiny):
    read = examples(squares)
    batch = Collator(tiny[1])([read[0], read[1]])
    for row, index in enumerate((0, 1)):
        labels = batch["labels"][row]
        text = tiny[1].tokenizer.decode(labels[labels != -100])
        assert text == read[index].completion + "<|im_end|>"


def test_mirrored_boxes_stay_on_the_square(squares):
    read = examples(squares)
    settings = settings_from(Asking())
    seen = set()
    for epoch in range(8):
        read.set_epoch(epoch)
        example = read[1]
        query = example.messages[-1].parts[-2]
        verdict_box = json.loads(example.completion.split("'bbox_2d': ")[1].split(", 'label'")[0])
        x1, y1, x2, y2 = verdict_box
        assert query.image[y1:y2, x1:x2].min() > 200
        assert (query.image > 200).all(axis=2).sum() == (x2 - x1) * (y2 - y1)
        seen.add((x1, y1))
    assert len(seen) > 1, "the pair is never mirrored"
    assert settings.budget.max_pixels == 112 * 112


def moved(corpus: Corpus, out: Path, weights: Sequence[str], **options: Any) -> list[float]:
    """How far two updates of a stage of texts move each of some weights, in the mean over its entries."""
    texts = Stage(objective="texts", steps=2, batch_size=2, learning_rate=1e-2, warmup_steps=1, **options)
    training = Pretraining(stages=(texts,), weight_decay=0.0, seed=0)
    size = replace(TINY, text_layers=3)
    pretrain(recipe(1).model_copy(update={"pretraining": training, "nano": size}), examples(corpus), out)
    before, after = (
        load_file(folder / "model.safetensors") for folder in (out / "untrained", out / "1-texts/model")
    )
    return [float((after[weight] - before[weight]).abs().mean()) for weight in weights]


SEES, FINDS, WRITES = (
    f"{part}.mlp.up_proj.weight" for part in ("visual.blocks.0", "model.layers.0", "model.layers.2")
)


def test_what_finds_anomalies_may_learn_more_slowly(squares, tmp_path):
    slow = moved(squares, tmp_path / "slow", [SEES, FINDS, WRITES], lower_rate=0.01)
    equal = moved(squares, tmp_path / "equal", [SEES, FINDS, WRITES])
    assert slow[0] < 0.05 * equal[0]
    assert slow[1] < 0.05 * equal[1]
    assert slow[2] > 0.5 * equal[2]


def test_the_vision_tower_may_stay_as_it_is(squares, tmp_path):
    tower, lower, upper = moved(squares, tmp_path, [SEES, FINDS, WRITES], freeze_vision=True)
    assert tower == 0
    assert min(lower, upper) > 0


def test_a_stage_may_teach_answers_without_reasoning(squares, tmp_path, monkeypatch):
    learned = []

    def remembering(collator, items):
        learned.extend(item.completion for item in items)
        return collate(collator, items)

    collate = ConversationCollator.__call__
    monkeypatch.setattr(ConversationCollator, "__call__", remembering)
    moved(squares, tmp_path / "answers", [WRITES], reasoning=False)
    answers, learned[:] = list(learned), []
    moved(squares, tmp_path / "texts", [WRITES])
    assert len(answers) == len(learned) == 4
    assert all(text.startswith("<answer>") for text in answers)
    assert all(text.startswith("<think>") for text in learned)


def test_training_learns_and_goes_on_after_an_interruption(squares, tmp_path):
    read = examples(squares)
    out = tmp_path / "out"
    pretrain(recipe(40), read, out)
    model = pretrain(recipe(120), read, out)  # the same folder with more steps goes on from step 40
    losses = [json.loads(line) for line in (out / "3-texts" / "losses.jsonl").read_text().splitlines()]
    assert losses[-1]["step"] == 120
    assert losses[-1]["loss"] < 0.6 * losses[0]["loss"]
    inspector = make_inspector(str(model), settings_from(Asking()))
    verdicts = dict(inspector.inspect(squares.pairs(squares.samples[:3])))
    assert sorted(verdicts) == [0, 1, 2]
    asked = settings_beside(model, InspectionSettings(temperature=0.7, seed=5))
    assert (asked.max_tokens, asked.prompts.name) == (24, "brief")
    assert (asked.temperature, asked.seed) == (0.7, 5)


def test_a_killed_pretraining_goes_on_as_if_it_had_not_been(squares, tmp_path):
    read = examples(squares)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    pretrain(recipe(20), read, whole)
    pretrain(recipe(20), read, killed)
    folder = killed / "3-texts"
    (folder / "stage.json").unlink()
    shutil.rmtree(folder / "model")
    (folder / "checkpoints" / "checkpoint-20" / "whole.json").unlink()  # killed while it was saved
    pretrain(recipe(20), read, killed)
    trained, losses = (
        [(out / "3-texts" / name) for out in (killed, whole)]
        for name in ("model/model.safetensors", "losses.jsonl")
    )
    assert trained[0].read_bytes() == trained[1].read_bytes()
    read_losses = [[json.loads(line) for line in path.read_text().splitlines()] for path in losses]
    assert read_losses[0] == read_losses[1]


def test_a_base_is_taught_further(squares, tiny, tmp_path):
    begun, model, processor = tmp_path / "base", *tiny
    save_model(model, processor, Asking(), begun, dtype=torch.float32)
    made = recipe(1)
    stages = made.pretraining.stages[-1:]
    further = made.model_copy(
        update={
            "nano": None,
            "base": Base(path=str(begun)),
            "pretraining": made.pretraining.model_copy(update={"stages": stages}),
        }
    )
    taught = pretrain(further, examples(squares), tmp_path / "out")
    before, start, after = (
        load_file(folder / "model.safetensors") for folder in (begun, tmp_path / "out" / "untrained", taught)
    )
    assert all(torch.equal(before[name], start[name]) for name in before)
    assert any(not torch.equal(before[name], after[name].float()) for name in before)


def test_a_recipe_that_makes_no_model_is_refused(squares, tmp_path):
    made = recipe(1)
    for missing in ("nano", "pretraining"):
        with pytest.raises(UsageError, match=r"makes no model: that takes \[pretraining\]"):
            pretrain(made.model_copy(update={missing: None}), examples(squares), tmp_path)


def test_a_folder_of_another_training_is_refused(squares, tmp_path):
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(UsageError, match="another recipe"):
        pretrain(recipe(1), examples(squares), tmp_path)


def test_a_missing_image_is_a_failed_verdict_naming_the_file(squares, tiny, tmp_path):
    model, processor = tiny
    model.save_pretrained(tmp_path / "m")
    processor.save_pretrained(tmp_path / "m")
    settings = replace(settings_from(Asking()), max_tokens=4)
    inspector = LocalInspector(tmp_path / "m", settings)
    pairs = squares.pairs(squares.samples[:2])
    pairs[0] = replace(pairs[0], image=Path("nowhere.png"))
    verdicts = dict(inspector.inspect(pairs))
    assert verdicts[0].status == "failed"
    assert "nowhere.png" in verdicts[0].detail
    assert verdicts[1].status in ("truncated", "unparsed", "empty")
    assert verdicts[1].anomalous is None


def test_a_folder_without_a_model_says_so(tmp_path):
    with pytest.raises(ProviderError, match="cannot load the model"):
        LocalInspector(tmp_path, settings_from(Asking()))


def test_the_shipped_recipe_loads():
    path = Path(__file__).parents[3] / "recipes" / "nano.toml"
    assert load_recipe(path).name == "anomaly-r1-nano"


@pytest.mark.parametrize("text", ["name = 1", "= nonsense", 'name = "x"\nsteps = 3'])
def test_a_bad_recipe_names_the_file(tmp_path, text):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=r"bad\.toml"):
        load_recipe(path)
