from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mmrad.curate.tokens import Tokenizer
from mmrad.errors import DataError, MissingExtraError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tokenizer that knows words, and adds special tokens when asked to."""
    tokenizers = pytest.importorskip("tokenizers")
    model = tokenizers.models.WordLevel({"[UNK]": 0, "a": 1, "dent": 2, "[CLS]": 3}, unk_token="[UNK]")
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", 3)]
    )
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_tokens_are_counted_without_special_ones(folder: Path) -> None:
    count = Tokenizer(folder)
    assert count([]) == 0
    assert count(["a dent", "", "a dent there"]) == 5
    seen: list[int] = []
    assert count(["a dent"] * 2500, advance=seen.append) == 5000
    assert sum(seen) == 2500


def test_a_lone_surrogate_is_no_obstacle(folder: Path) -> None:
    assert Tokenizer(folder)(["a dent \ud83d"]) == 3


def test_the_bundled_tokenizer_agrees_with_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    from mmrad.inspectors.make import bundled_nano

    text = "<think>A dent at (10, 20).</think><answer>Yes. größer</answer>"
    whole = transformers.AutoTokenizer.from_pretrained(bundled_nano())
    assert Tokenizer(bundled_nano())([text]) == len(whole(text, add_special_tokens=False)["input_ids"])


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    with pytest.raises(DataError, match=r"tokenizer\.json: there is no such file"):
        Tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match=r"tokenizer\.json: not a tokenizer"):
        Tokenizer(tmp_path)
    # A path is no name on the Hub, so nothing is asked of the network.
    with pytest.raises(DataError, match="/no/such/folder"):
        Tokenizer("/no/such/folder")


def test_the_extra_that_is_missing_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"mmrad\[local\]"):
        Tokenizer(folder)
