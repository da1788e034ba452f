from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mmrad.curate.text_sets import read_text_set
from mmrad.errors import DataError

QUESTION = {"Question": "Is there a defect?", "Options": {"A": "Yes", "B": "No"}, "Answer": "A", "type": "x"}
MMAD = {
    "DS-MVTec/bottle/image/good/000.png": {"conversation": [QUESTION]},
    "DS-MVTec/bottle/image/broken/000.png": {"mask_path": "x", "conversation": [QUESTION, QUESTION]},
    "VisA/candle/test/bad/1.JPG": {"conversation": []},
}
CONVERSATIONS = [
    {
        "id": "1",
        "image": "a.png",
        "conversations": [
            {"from": "human", "value": "<image>\nWhat is wrong?"},
            {"from": "gpt", "value": "A dent."},
        ],
    },
    {"id": 2, "image": ["a.png", "b.png"], "conversations": [{"from": "human", "value": "Compare"}]},
    {"id": 3, "conversations": []},
]


def words(texts: Sequence[str]) -> int:
    return sum(len(text.split()) for text in texts)


def written(folder: Path, content: Any) -> Path:
    path = folder / "set.json"
    path.write_text(json.dumps(content))
    return path


def test_mmad_is_counted_by_hand(tmp_path: Path) -> None:
    row = read_text_set("mine", written(tmp_path, MMAD), words)
    counts = row.counts
    assert (counts.name, row.published) == ("mine", False)
    assert (counts.images, counts.normal, counts.anomalous, counts.categories) == (3, 1, 2, 2)
    # Four words of the question, "A: Yes" and "B: No", the answer's letter; three questions.
    assert counts.text_tokens == 3 * (4 + 2 + 2 + 1)
    # An image without a question has no text.
    assert counts.with_text == 2
    assert counts.anomaly_types is None


def test_conversations_are_counted_by_hand(tmp_path: Path) -> None:
    counts = read_text_set("mine", written(tmp_path, CONVERSATIONS), words).counts
    assert counts.text_tokens == 3 + 2 + 1
    assert (counts.images, counts.with_text) == (2, 2)
    assert (counts.normal, counts.anomalous, counts.categories) == (None, None, None)


def test_without_a_tokenizer_nothing_is_made_up(tmp_path: Path) -> None:
    assert read_text_set("mine", written(tmp_path, MMAD), None).counts.text_tokens is None
    assert read_text_set("mine", written(tmp_path, CONVERSATIONS), None).counts.text_tokens is None


IMAGE = "VisA/candle/test/bad/1.JPG"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("text", "found str"),
        (None, "found NoneType"),
        (7, "found int"),
        ({}, "found an empty dict"),
        ([], "found an empty list"),
        ({"images": []}, "'images'"),
        ({IMAGE: []}, "found list"),
        ({IMAGE: {"mask_path": "x"}}, "found {'mask_path': str}"),
        ({IMAGE: {"conversation": {}}}, "found {'conversation': dict}"),
        ({IMAGE: {"conversation": ["?"]}}, "found {'conversation': list}"),
        ({IMAGE: {"conversation": [{"question": "?"}]}}, "found a question with {'question': str}"),
        ({IMAGE: {"conversation": [QUESTION | {"Options": "A"}]}}, "'Options': str"),
        (["text"], "found str"),
        ([{"id": 1, "text": "x"}], "found {'id': int, 'text': str}"),
        ([*CONVERSATIONS, {"conversations": [{"role": "user"}]}], "entry 3: found a turn with {'role': str}"),
        ([{"conversations": [{"from": "gpt", "value": None}]}], "'value': NoneType"),
        ([{"conversations": [], "image": {"path": "x"}}], "found {'conversations': list, 'image': dict}"),
    ],
)
def test_nonsense_says_what_was_found_and_expected_in_which_file(
    content: Any, found: str, tmp_path: Path
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read_text_set("mine", path, words)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert found in message
    assert "expected" in message


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    for name, content in (("torn.json", b'{"a": '), ("binary.json", b"\xff\xfe\x00")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name):
            read_text_set("mine", tmp_path / name, words)
    with pytest.raises(DataError, match=r"missing\.json"):
        read_text_set("mine", tmp_path / "missing.json", words)
