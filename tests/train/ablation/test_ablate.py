import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from ablated import Judge, Trainings, make_sources, recipe_on
from mmrad.cli.ablate import _judge_with
from mmrad.errors import DataError, UsageError
from mmrad.train.ablation.ablate import ablate
from mmrad.train.ablation.rows import (
    ROWS,
    AblationRecipe,
    Judging,
    load_ablation,
    plan,
    rows_named,
    trainings_of,
)
from mmrad.train.pretraining.nano import NanoSize
from mmrad.train.recipe import (
    Asking,
    Data,
    FactoryData,
    Pretraining,
    Reinforcement,
    Stage,
    Supervised,
    load_recipe,
)

TINY = NanoSize(
    text_width=32, text_layers=1, text_heads=2, text_mlp=64,
    vision_width=32, vision_layers=1, vision_heads=2, vision_mlp=32, vocabulary=1600,
)  # fmt: skip
RECIPES = Path(__file__).parents[3] / "recipes"


@pytest.fixture
def trainings(monkeypatch) -> Trainings:
    made = Trainings()
    made.replace(monkeypatch)
    return made


@pytest.fixture
def recipe(tmp_path) -> AblationRecipe:
    return recipe_on(make_sources(tmp_path / "corpus"), tmp_path / "base")


def lineage(out: Path, folder: str) -> list[str]:
    return json.loads((out / "seed-0" / folder / "model" / "trainings.json").read_text())


def test_rows_share_what_they_have_in_common(recipe, trainings, tmp_path):
    ablate(recipe, tmp_path / "out", Judge(), rows=ROWS)
    names = [("sft" if made.sft else "grpo", made.name.removeprefix("tiny-")) for made, _ in trainings.calls]
    assert names == [
        ("sft", "no-reasoning"), ("grpo", "no-reasoning"),
        ("sft", "no-reference"), ("grpo", "no-reference"),
        ("grpo", "no-cold-start"),
        ("sft", "full"), ("grpo", "no-contrast"), ("grpo", "full"),
        ("sft", "knowledge"), ("grpo", "knowledge"),
    ]  # fmt: skip
    assert lineage(tmp_path / "out", "grpo/no-cold-start") == ["grpo tiny-no-cold-start"]
    assert lineage(tmp_path / "out", "grpo/no-contrast") == ["sft tiny-full", "grpo tiny-no-contrast"]


def test_each_row_lacks_its_ingredient_and_nothing_else(recipe, trainings, tmp_path):
    ablate(recipe, tmp_path / "out", Judge(), rows=ROWS)
    made = {recipe.name.removeprefix("tiny-"): recipe for recipe, _ in trainings.calls if recipe.grpo}
    full = made.pop("full")

    def differing(one):
        ours, theirs = one.model_dump(), full.model_dump()
        parts = [(name, part) for name in ("data", "asking", "grpo") for part in ours[name]]
        return {f"{name}.{part}" for name, part in parts if ours[name][part] != theirs[name][part]}

    assert {key: differing(one) for key, one in made.items()} == {
        "no-reasoning": {"asking.reasoning"},
        "no-reference": {"data.references"},
        "no-cold-start": set(),
        "no-contrast": {"grpo.contrast"},
        "knowledge": {"data.knowledge"},
    }


def test_models_are_asked_as_they_were_trained(recipe, trainings, tmp_path):
    judge = Judge()
    ablate(recipe, tmp_path / "out", judge, rows=ROWS, seeds=[3])
    asked = {name: (settings, references) for name, settings, references, _ in judge.asked}
    assert list(asked) == [row.key for row in ROWS]
    assert [key for key, (settings, _) in asked.items() if not settings.reasoning] == ["no-reasoning"]
    assert [key for key, (_, references) in asked.items() if not references] == ["no-reference"]
    told = {key: settings.domain_knowledge for key, (settings, _) in asked.items()}
    assert told.pop("knowledge") == {"part": ("scratch",)}
    assert not any(told.values())
    assert {(settings.seed, settings.temperature) for settings, _ in asked.values()} == {(3, 0.0)}
    # Without fresh images nothing but the held-out source is unseen.
    assert all(sample.startswith("mvtec/") for _, _, _, ids in judge.asked for sample in ids)
    assert {made.sft.seed if made.sft else made.grpo.seed for made, _ in trainings.calls} == {3}


def test_nothing_is_done_twice(recipe, trainings, tmp_path):
    out, judge = tmp_path / "out", Judge()
    trainings.fail_at = 4  # the reinforcement learning of the second row
    with pytest.raises(KeyboardInterrupt):
        ablate(recipe, out, judge, rows=ROWS)
    assert "w/o Reasoning Data" in (out / "table.md").read_text()
    trainings.fail_at = None
    table = ablate(recipe, out, judge, rows=ROWS)
    assert len(trainings.calls) == 11, "a finished training ran again, or the interrupted one did not"
    assert [name for name, *_ in judge.asked] == [row.key for row in ROWS]
    assert ablate(recipe, out, judge, rows=ROWS) == table
    assert (len(trainings.calls), len(judge.asked)) == (11, 7)


def test_rows_and_seeds_of_earlier_calls_stay_in_the_table(recipe, trainings, tmp_path):
    ablate(recipe, tmp_path / "out", Judge(), rows=rows_named(["full"]))
    ablate(recipe, tmp_path / "out", Judge(), rows=rows_named(["no-rl"]))
    table = ablate(recipe, tmp_path / "out", Judge(), rows=rows_named(["no-rl"]), seeds=[1])
    (lines,) = table.groups.values()
    assert [(line.row, line.seeds) for line in lines] == [("no-rl", (0, 1)), ("full", (0,))]
    assert len(trainings.calls) == 3, "the cold start of seed 0 was not shared between calls"
    written = json.loads((tmp_path / "out" / "table.json").read_text())
    assert written == json.loads(json.dumps(table.to_dict()))


def test_fresh_images_of_trained_on_sources_are_a_group_of_their_own(
    recipe, trainings, monkeypatch, tmp_path
):
    fresh = Judging(factory=FactoryData(seed=9, train=1, good=1, per_anomaly=1))
    corpus = make_sources(tmp_path / "fresh", count=6)
    made = []
    monkeypatch.setattr(
        "mmrad.train.ablation.ablate.factory_corpus",
        lambda data, folder, progress: made.append(data.seed) or corpus,
    )
    judge = Judge()
    table = ablate(
        recipe.model_copy(update={"judging": fresh}), tmp_path / "out", judge, rows=rows_named(["full"])
    )
    assert made == [9]
    assert table.queries == {"mvtec, held out": 6, "other, trained on": 6}
    assert {sample.split("/")[0] for sample in judge.asked[0][3]} == {"mvtec", "other"}
    # The fake model finds two of the three faults of the source that comes first.
    recall = {group: line.figures["recall"].value for group, (line,) in table.groups.items()}
    assert recall == {"mvtec, held out": pytest.approx(2 / 3), "other, trained on": 0.0}
    assert "| paper |" not in table.to_markdown().partition("trained on")[2]
    alone = fresh.model_copy(update={"trained_on": False})
    table = ablate(
        recipe.model_copy(update={"judging": alone}), tmp_path / "alone", judge, rows=rows_named(["full"])
    )
    assert table.queries == {"mvtec, held out": 6}


def test_a_folder_of_another_recipe_is_refused(recipe, trainings, tmp_path):
    out, rows = tmp_path / "out", rows_named(["full"])
    ablate(recipe, out, Judge(), rows=rows)
    pace = recipe.model_copy(
        update={"seeds": (0, 1), "grpo": recipe.grpo.model_copy(update={"logging_steps": 1})}
    )
    ablate(pace, out, Judge(), rows=rows)
    other = recipe.model_copy(update={"grpo": recipe.grpo.model_copy(update={"beta": 0.5})})
    with pytest.raises(UsageError, match=r"grpo\.beta is None there and 0\.5 now"):
        ablate(other, out, Judge(), rows=rows)


def test_unknown_rows_are_named():
    with pytest.raises(UsageError, match="no row 'no-vision'; there are no-reasoning"):
        rows_named(["full", "no-vision"])
    assert [row.key for row in rows_named(["full", "no-rl"])] == ["no-rl", "full"]


def test_the_plan_tells_what_is_shared_and_done(recipe, trainings, tmp_path):
    out = tmp_path / "out"
    before = plan(recipe, out, ROWS, [0, 1])
    assert not out.exists()
    kinds = [one.work for one in before]
    assert [kinds.count(kind) for kind in ("sft", "grpo", "judging")] == [8, 12, 14]
    shared = [one for one in before if one.folder == out / "seed-0" / "sft" / "full"]
    assert [(one.rows, one.amount) for one in shared] == [
        (("no-rl", "no-contrast", "full"), "2 steps, 4 conversations each")
    ]
    ablate(recipe, out, Judge(), rows=rows_named(["no-rl"]))
    done = {one.folder.relative_to(out).as_posix() for one in plan(recipe, out, ROWS, [0, 1]) if one.done}
    assert done == {"seed-0/sft/full", "seed-0/judged/no-rl.json"}


def test_all_rows_may_begin_with_a_base_that_is_taught_further(tmp_path):
    stage = Stage(objective="texts", steps=2, batch_size=4, learning_rate=1e-2)
    training = Pretraining(stages=(stage,), weight_decay=0.0, seed=0)
    recipe = recipe_on(make_sources(tmp_path / "corpus"), tmp_path / "base", pretraining=training)
    first, second, *_ = plan(recipe, tmp_path / "out", ROWS, [0])
    assert (first.work, first.amount, first.done) == ("pretraining", "steps: texts 2", False)
    assert len(first.rows) == len(ROWS)
    assert second.work == "sft"
    (training, _) = trainings_of(ROWS[0], recipe, 0, tmp_path / "out")
    assert training.start == first.folder / "model"


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"grpo": None}, r"need \[sft\] and \[grpo\]"),
        ({"base": None}, "name one start"),
        ({"base": None, "nano": TINY}, "name one start"),
        ({"nano": TINY}, "name one start"),
        ({"data": Data(texts="fresh")}, "data.hold_out is empty"),
        ({"data": Data(hold_out=("mvtec",), knowledge=True)}, "recipe of the full model"),
        ({"grpo": Reinforcement(contrast=False)}, "recipe of the full model"),
    ],
)
def test_a_recipe_that_is_not_of_the_full_model_is_refused(tmp_path, changed, problem):
    with pytest.raises(ValidationError, match=problem):
        recipe_on(make_sources(tmp_path / "corpus"), tmp_path / "base", **changed)


@pytest.mark.parametrize("name", ["table5-nano.toml", "table5-7b.toml"])
def test_the_recipes_are_readable(name, tmp_path):
    recipe = load_ablation(RECIPES / name)
    assert len(recipe.seeds) == 3
    assert len(plan(recipe, tmp_path, ROWS, recipe.seeds)) >= 3 * (4 + 6 + 7)


def test_the_full_model_of_7b_is_that_of_its_own_recipe():
    full, own = load_ablation(RECIPES / "table5-7b.toml"), load_recipe(RECIPES / "anomaly-r1-7b.toml")
    assert full.plain() == own.model_copy(update={"name": "table5-7b"})


def test_a_damaged_file_of_counts_is_named(recipe, trainings, tmp_path):
    out = tmp_path / "out"
    ablate(recipe, out, Judge(), rows=rows_named(["full"]))
    path = out / "seed-0" / "judged" / "full.json"
    path.write_text(path.read_text()[:40])
    with pytest.raises(DataError, match=r"full\.json: unreadable"):
        ablate(recipe, out, Judge(), rows=rows_named(["full"]))


def test_real_trainings_end_in_a_table(tmp_path):
    stage = Stage(objective="texts", steps=2, batch_size=4, learning_rate=1e-2, warmup_steps=1)
    recipe = recipe_on(
        make_sources(tmp_path / "corpus"),
        tmp_path / "base",
        base=None,
        nano=TINY,
        pretraining=Pretraining(stages=(stage,), weight_decay=0.0, seed=0),
        asking=Asking(max_pixels=3136, max_tokens=16),
        sft=Supervised(steps=2, batch=4, save_steps=2, sample_steps=0),
        grpo=Reinforcement(
            steps=2, prompts=4, responses=2, updates=2, max_tokens=160, save_steps=2, sample_steps=0
        ),
    )
    table = ablate(recipe, tmp_path / "out", _judge_with(4), rows=rows_named(["no-reference", "no-contrast"]))
    (lines,) = table.groups.values()
    assert [(line.row, line.seeds) for line in lines] == [("no-reference", (0,)), ("no-contrast", (0,))]
    for line in lines:
        assert line.unreadable == 1.0, "two steps do not teach the format"
        assert line.figures["accuracy"].value == 0.0
    seed = tmp_path / "out" / "seed-0"
    models = (tmp_path / "out" / "pretraining", seed / "sft" / "full", seed / "sft" / "no-reference")
    assert len({(folder / "model" / "model.safetensors").read_bytes() for folder in models}) == 3
    injected = {
        row: [json.loads(line)["injected_reference"] for line in path.read_text().splitlines()]
        for row in ("no-reference", "no-contrast")
        if (path := seed / "grpo" / row / "log.jsonl")
    }
    assert min(injected["no-reference"]) > 0
    assert max(injected["no-contrast"]) == 0
