"""`mmrad import`: published texts become those of one more teacher."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builders import make_corpus
from commands import run
from hinted import good_text
from mmrad.answer import Instance
from mmrad.box import Box
from mmrad.corpus import Corpus
from mmrad.errors import DataError, UsageError
from mmrad.teach import chosen_texts


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return make_corpus(tmp_path / "corpus", 4)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Texts in pixels of the original images, one of them about an image that is not in the corpus."""
    bad = good_text([Instance(Box(10, 20, 40, 50), "scratch")])
    texts = {"part/000.png": good_text([]), "part/001.png": bad, "part/999.png": bad}
    file = tmp_path / "text_annos.json"
    file.write_text(json.dumps(texts))
    return file


def test_texts_are_verified_and_what_was_left_is_shown(corpus: Corpus, published: Path) -> None:
    said = run("import", corpus.path, published, "--name", "mmr-ad", "--pixels", "original")
    assert "mmr-ad: 3 entries" in said and "unmatched, such as" in said and "999.png" in said
    found = chosen_texts(corpus)
    assert [text.teacher for text in found.values()] == ["mmr-ad"] * 2
    assert "2 verified" in said


def test_the_pixels_must_be_said(corpus: Corpus, published: Path) -> None:
    with pytest.raises(UsageError, match="cannot be told from the numbers"):
        run("import", corpus.path, published, "--name", "mmr-ad")


def test_multiple_choice_is_no_reasoning(corpus: Corpus, tmp_path: Path) -> None:
    question = {"Question": "What is it?", "Options": {"A": "A long scratch.", "B": "A hole."}, "Answer": "A"}
    file = tmp_path / "mmad.json"
    file.write_text(json.dumps({"made/part/test/scratch/001.png": {"conversation": [question]}}))
    with pytest.raises(DataError, match=r"mmad\.json"):
        run("import", corpus.path, file, "--name", "mmad", "--pixels", "original")
    assert "1 entries" in run("import", corpus.path, file, "--name", "mmad", "--descriptions")
