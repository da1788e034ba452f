"""`mmrad export`: every format can be chosen, and options that mean nothing to it are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import make_corpus
from commands import run
from mmrad.cli.export import ABOUT, Format
from mmrad.corpus import Corpus
from mmrad.errors import UsageError
from mmrad.teach import ScriptedTeacher, teach


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    made = make_corpus(tmp_path / "corpus", 4)
    teach(made, [ScriptedTeacher()])
    return made


@pytest.mark.parametrize("to", Format)
def test_every_format_is_written_and_refuses_a_folder_that_is_not_empty(
    corpus: Corpus, tmp_path: Path, to: Format
) -> None:
    if to is Format.HUGGING_FACE:
        pytest.importorskip("mlcroissant")
    out = tmp_path / "out"
    assert f"wrote 4 samples to {out}" in run("export", corpus.path, "--to", to.value, "--out", out)
    assert any(path.is_file() for path in out.rglob("*"))
    with pytest.raises(UsageError, match="is not empty"):
        run("export", corpus.path, "--to", to.value, "--out", out)


def test_options_reach_the_formats_they_are_for(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"coco takes no --teacher or --max-pixels"):
        run(
            "export",
            corpus.path,
            "--to",
            "coco",
            "--out",
            tmp_path / "a",
            "--teacher",
            "x",
            "--max-pixels",
            9999,
        )
    with pytest.raises(UsageError, match="--max-pixels"):  # the texts were written for larger views
        run("export", corpus.path, "--to", "trl", "--out", tmp_path / "b", "--max-pixels", 1568)
    with pytest.raises(UsageError, match="no split"):
        run("export", corpus.path, "--to", "lmms-eval", "--out", tmp_path / "c", "--split", "none")


def test_formats_are_listed() -> None:
    shown = run("formats")
    assert all(to.value in shown for to in Format)
    assert set(ABOUT) == set(Format)
