from __future__ import annotations

from pathlib import Path

import pytest

from mmrad.bench.recipe import BenchRecipe, Entry, load_bench_recipe
from mmrad.coordinates import CoordinateSpace
from mmrad.errors import DataError

RECIPES = Path(__file__).parents[2] / "recipes"


def recipe(tmp_path: Path, text: str) -> BenchRecipe:
    path = tmp_path / "recipe.toml"
    path.write_text(text, "utf-8")
    return load_bench_recipe(path)


def test_what_stands_in_ask_holds_for_runs_that_do_not_say_otherwise(tmp_path: Path) -> None:
    read = recipe(
        tmp_path,
        """
        sources = ["mvtec"]
        [ask]
        references = 2
        space = "thousand"
        [[runs]]
        model = "a"
        [[runs]]
        model = "b"
        references = 0
        """,
    )
    assert [(run.references, run.space) for run in read.runs] == [
        (2, CoordinateSpace.THOUSAND),
        (0, CoordinateSpace.THOUSAND),
    ]
    assert read.sources == ("mvtec",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("runs = 3", "runs"),
        ("[[runs]]\nname = 'x'", r"runs\.0\.model"),
        ("[[runs]]\nmodel = 'a'\nrefernces = 1", "refernces"),
        ("[ask]\nreferences = -1\n[[runs]]\nmodel = 'a'", "references"),
        ("[[runs]]\nmodel = 'a'\nspace = 'pixels'", "space"),
        ("[[runs]]\nmodel = 'a'\n[[runs]]\nmodel = 'x/a'", "several runs would be named 'a'"),
        ("[[runs]", "not a readable recipe"),
    ],
)
def test_a_wrong_recipe_names_the_file_and_the_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"recipe\.toml: .*{message}"):
        recipe(tmp_path, text)


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        (Entry(model="gpt-4o"), "gpt-4o"),
        (Entry(model="models/mine"), "mine"),
        (Entry(model="gpt-4o", knowledge=True), "gpt-4o+knowledge"),
        (Entry(model="gpt-4o", references=0, reasoning=False), "gpt-4o-no-reference-no-reasoning"),
        (Entry(model="gpt-4o", references=3), "gpt-4o-3-references"),
        (Entry(model="gpt-4o", references=3, name="mine"), "mine"),
    ],
)
def test_a_run_is_named_by_its_model_and_what_is_unusual(entry: Entry, name: str) -> None:
    assert entry.variant == name


def test_repeats_have_seeds_and_names_of_their_own() -> None:
    read = BenchRecipe(runs=(Entry(model="a", repeats=2, seed=7), Entry(model="b")))
    assert [(name, entry.seed, about) for entry, name, about in read.repeats()] == [
        ("a", 7, {"variant_of": "a", "repeat": 1}),
        ("b", 0, {}),
        ("a#2", 8, {"variant_of": "a", "repeat": 2}),
    ]


def test_options_of_the_command_win() -> None:
    read = BenchRecipe(
        runs=(Entry(model="a", references=2, sources=("visa",)), Entry(model="b")), sources=("mvtec",)
    )
    changed = read.with_options(references=0, sources=["loco"], limit=5, temperature=None, seed=3)
    assert [run.references for run in changed.runs] == [0, 0]
    assert [run.sources for run in changed.runs] == [("loco",), ("loco",)]
    assert [run.seed for run in changed.runs] == [3, 3]
    assert (changed.sources, changed.limit, changed.seed) == (("loco",), 5, 3)
    assert changed.runs[0].temperature is None


def test_the_recipes_of_the_paper_are_whole() -> None:
    table4 = load_bench_recipe(RECIPES / "table4.toml")
    assert table4.sources == ("mvtec", "visa", "mvtec3d", "mpdd")
    assert all(run.references == 1 and run.reasoning for run in table4.runs)
    assert [run.variant for run in table4.runs][-2:] == ["anomaly-r1-7b", "anomaly-r1-7b+knowledge"]
    table5 = load_bench_recipe(RECIPES / "table5.toml")
    assert len(table5.runs) == 7
    assert {run.temperature for run in table5.runs} == {1.5}
