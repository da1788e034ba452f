"""`mmrad import-reviews`: from the export of another tool to the corpus, in a few commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import run
from elsewhere import Cvat, LabelStudio, moved
from mmrad.corpus import Corpus, ReviewedCorpus
from mmrad.errors import DataError
from mmrad.review.store import Ledger, Store
from reviewed import TURNED, WIDE, reviewed_corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return reviewed_corpus(tmp_path / "corpus", 6)


def test_annotations_become_reviews_that_a_running_application_sees(corpus: Corpus, tmp_path: Path) -> None:
    store = Store(f"sqlite:///{corpus.path / 'review.sqlite3'}")
    running = Ledger(store, corpus.path)
    there = Cvat(corpus, tmp_path / "there")
    there.edit(WIDE, moved(5, 3), outcome="keep")
    there.edit(TURNED, moved(400, 3))
    said = run("import-reviews", corpus.path, there.file(), "--from", "cvat", "--reviewer", "ann")
    assert "1 reviews: 0 kept as they were, 1 changed, 0 dropped, 0 unsure" in said
    assert "4 images are open: nothing shows that somebody was done with them" in said
    assert "1 annotations were left out:" in said
    assert "reaches outside the image of 300x480" in said
    running.refresh()
    assert [review.reviewer for review in running.history(WIDE)] == ["ann"]
    store.close()


def test_what_was_finished_and_seen_by_two(corpus: Corpus, tmp_path: Path) -> None:
    there = Cvat(corpus, tmp_path / "there")
    said = run("import-reviews", corpus.path, there.file(), "--from", "cvat", "--finished", "--blind")
    assert "6 reviews: 6 kept as they were" in said
    assert "6 of them are blind: 2 people must agree on an image" in said
    assert "6 had been imported before" in run(
        "import-reviews", corpus.path, there.file(), "--from", "cvat", "--finished", "--blind"
    )


def test_a_round_by_commands_alone(corpus: Corpus, tmp_path: Path) -> None:
    run("export", corpus.path, "--to", "label-studio", "--out", tmp_path / "plain")
    there = LabelStudio(corpus, tmp_path / "there")
    assert (tmp_path / "plain" / "tasks.json").read_bytes() == (there.out / "tasks.json").read_bytes()
    there.edit(WIDE, outcome="drop", reason="blurred")
    run("import-reviews", corpus.path, there.file(), "--from", "label-studio")
    assert WIDE not in {sample.id for sample in ReviewedCorpus(corpus.path).samples}
    said = run("export", corpus.path, "--to", "coco", "--out", tmp_path / "coco")
    assert "wrote 5 samples" in said


def test_a_file_of_another_tool_is_told(corpus: Corpus, tmp_path: Path) -> None:
    file = LabelStudio(corpus, tmp_path / "there").file()
    with pytest.raises(DataError, match="not XML"):
        run("import-reviews", corpus.path, file, "--from", "cvat")
