"""Labels of each category, collected into a file that people edit."""

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrad.box import Box
from mmrad.corpus import Corpus, SourceInfo, write_corpus
from mmrad.errors import DataError
from mmrad.prompt import load_prompts
from mmrad.sample import Region, Sample
from mmrad.teach.knowledge import collect_knowledge, read_knowledge, write_knowledge
from mmrad.view import View


def made(folder: Path, labels: dict[str, list[str]]) -> Corpus:
    """A corpus of records alone: a sample for each category, with a region for each label."""
    samples = [
        Sample(
            id=f"made/{number}/test/0",
            source="made",
            category=category,
            split="test",
            image="0.png",
            size_wh=(90, 40),
            regions=tuple(Region(Box(0, 0, 9, 4), label) for label in names),
            licence="CC0-1.0",
        )
        for number, (category, names) in enumerate(labels.items())
    ]
    return write_corpus(folder, {"made": SourceInfo(adapter="made", root=".", licence="CC0-1.0")}, samples)


def edited(corpus: Corpus, text: str) -> None:
    (corpus.path / "knowledge.toml").write_text(text, "utf-8")


def test_labels_of_each_category_are_collected_once_and_sorted(tmp_path: Path) -> None:
    corpus = made(
        tmp_path, {"nut": ["scratch", "bent", "scratch", "a  crack", " "], "pill": [], "cap": ["dent"]}
    )
    assert collect_knowledge(corpus) == {"cap": ("dent",), "nut": ("a crack", "bent", "scratch")}
    assert read_knowledge(corpus) == collect_knowledge(corpus)
    assert not (tmp_path / "knowledge.toml").exists()


def test_sources_that_share_a_category_share_its_labels(tmp_path: Path) -> None:
    corpus = made(tmp_path, {"nut": ["scratch"]})
    info = SourceInfo(adapter="made", root=".", licence="CC0-1.0")
    [one] = corpus.samples
    other = replace(one, id="more/nut/test/0", source="more", regions=(Region(Box(0, 0, 9, 4), "bent"),))
    both = write_corpus(tmp_path, {"made": info, "more": info}, [one, other])
    assert collect_knowledge(both) == {"nut": ("bent", "scratch")}


def test_a_file_says_what_may_be_edited_and_is_read_back(tmp_path: Path) -> None:
    corpus = made(tmp_path, {"metal nut": ["scratch", 'a "b" \\ c'], "cap.2": ["dent"]})
    text = write_knowledge(corpus).read_text("utf-8")
    assert text.startswith("# Which anomalies are known")
    assert "`removed`" in text
    assert tomllib.loads(text) == {
        "cap.2": {"labels": ["dent"]},
        "metal nut": {"labels": ['a "b" \\ c', "scratch"]},
    }
    assert read_knowledge(corpus) == collect_knowledge(corpus)


def test_collecting_again_changes_nothing(tmp_path: Path) -> None:
    corpus = made(tmp_path, {"nut": ["scratch"]})
    path = write_knowledge(corpus)
    edited(corpus, "# mine\n" + path.read_text("utf-8"))
    before = path.read_bytes()
    assert write_knowledge(corpus).read_bytes() == before


def test_edits_win_and_new_labels_are_added(tmp_path: Path) -> None:
    write_knowledge(made(tmp_path, {"nut": ["scratch", "bent"]}))
    corpus = made(tmp_path, {"nut": ["scratch", "bent", "color"], "cap": ["dent"]})
    edited(
        corpus,
        '[nut]\nlabels = ["fine scratch", "bent"]\nremoved = ["scratch"]\ndescription = "M6"\n'
        '[gone]\nlabels = ["x"]\n',
    )
    assert read_knowledge(corpus) == {"nut": ("fine scratch", "bent"), "gone": ("x",), "cap": ("dent",)}
    content = tomllib.loads(write_knowledge(corpus).read_text("utf-8"))
    assert content == {
        "cap": {"labels": ["dent"]},
        "gone": {"labels": ["x"]},
        "nut": {
            "labels": ["fine scratch", "bent", "color"],
            "removed": ["scratch"],
            "description": "M6",
        },
    }


def test_removed_labels_are_not_told(tmp_path: Path) -> None:
    corpus = made(tmp_path, {"nut": ["scratch"], "cap": ["dent"]})
    edited(corpus, '[nut]\nlabels = ["scratch", "bent"]\nremoved = ["scratch"]\n[cap]\nremoved = ["dent"]\n')
    assert read_knowledge(corpus) == {"nut": ("bent",)}
    write_knowledge(corpus)
    assert read_knowledge(corpus) == {"nut": ("bent",)}


def test_many_labels_stand_on_lines_of_their_own(tmp_path: Path) -> None:
    labels = [f"anomaly number {n:02}" for n in range(12)]
    corpus = made(tmp_path, {"nut": labels})
    text = write_knowledge(corpus).read_text("utf-8")
    assert '\n    "anomaly number 03",\n' in text
    assert read_knowledge(corpus) == {"nut": tuple(labels)}


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(lambda s: " ".join(s.split()))


@settings(max_examples=25)
@given(st.dictionaries(TEXT.filter(bool), st.lists(TEXT.filter(bool), min_size=1), min_size=1))
def test_any_names_survive(tmp_path_factory: pytest.TempPathFactory, labels: dict[str, list[str]]) -> None:
    corpus = made(tmp_path_factory.mktemp("c"), labels)
    write_knowledge(corpus)
    assert read_knowledge(corpus) == collect_knowledge(corpus)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[nut", r"knowledge\.toml: not readable as TOML"),
        ('[nut]\nlables = ["x"]', r"nut\.lables: .*a category has `labels`, `removed` and `description`"),
        ('[nut]\nlabels = "x"', r"nut\.labels: Input should be a valid list"),
        ("[nut]\nlabels = [1]", r"nut\.labels\.0: Input should be a valid string"),
        ('labels = ["x"]', "labels: "),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str, told: str) -> None:
    corpus = made(tmp_path, {"nut": ["scratch"]})
    edited(corpus, text)
    for use in (read_knowledge, write_knowledge):
        with pytest.raises(DataError, match=told):
            use(corpus)
    assert (tmp_path / "knowledge.toml").read_text("utf-8") == text


def test_prompts_take_what_is_read(tmp_path: Path) -> None:
    corpus = made(tmp_path, {"nut": ["scratch", "bent"]})
    query = View(np.zeros((28, 56, 3), np.uint8), (56, 28))
    knowledge = ("nut", read_knowledge(corpus)["nut"])
    asked = load_prompts().inspection(query, domain_knowledge=knowledge)
    assert "'nut'" in asked[1].parts[-1]
    assert "bent, scratch" in asked[1].parts[-1]
