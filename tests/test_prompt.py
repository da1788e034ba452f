from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from mmrad.answer import Instance
from mmrad.box import Box
from mmrad.coordinates import CoordinateSpace
from mmrad.errors import DataError
from mmrad.prompt import BUILT_IN, Message, Prompts, load_prompts
from mmrad.view import View

THOUSANDS = (CoordinateSpace.THOUSAND, CoordinateSpace.THOUSAND_YX)
QUERY, FIRST, SECOND = (View(np.full((28, 28, 3), value, np.uint8), (28, 28)) for value in (1, 2, 3))


def said(messages: list[Message]) -> str:
    text = messages[-1].parts[-1]
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_prompts_leave_no_word_unfilled(name: str) -> None:
    prompts = load_prompts(name)
    truth = [Instance(Box(1, 2, 3, 4), "dent")]
    knowledge = ("bottle", ["dent", "crack"])
    for messages in (
        prompts.inspection(QUERY),
        prompts.inspection(QUERY, [FIRST, SECOND], reasoning=False, domain_knowledge=knowledge),
        prompts.teacher(QUERY, [FIRST], truth),
        prompts.teacher(QUERY, [FIRST], []),
        prompts.opposite(QUERY, [FIRST], anomalous=True),
        prompts.opposite(QUERY, [FIRST], anomalous=False),
    ):
        assert [message.role for message in messages] == ["system", "user"]
        assert "$" not in said(messages)


def test_references_come_first_and_the_query_last() -> None:
    parts = load_prompts().inspection(QUERY, [FIRST, SECOND])[-1].parts
    assert parts[0] is FIRST and parts[1] is SECOND and parts[2] is QUERY and len(parts) == 4


def test_the_text_counts_the_references() -> None:
    prompts = load_prompts()
    assert "The first image is normal" in said(prompts.inspection(QUERY, [FIRST]))
    assert "The first 2 images are normal" in said(prompts.inspection(QUERY, [FIRST, SECOND]))
    assert "first" not in said(prompts.inspection(QUERY, reasoning=False))


def test_reasoning_and_knowledge_are_asked_for_only_when_wanted() -> None:
    prompts = load_prompts()
    assert "<think>" in said(prompts.inspection(QUERY)) and "<answer>" in said(prompts.inspection(QUERY))
    assert "<think>" not in said(prompts.inspection(QUERY, reasoning=False))
    told = said(prompts.inspection(QUERY, domain_knowledge=("bottle", ["crack", "5 $ mark"])))
    assert "'bottle'" in told and "crack, 5 $ mark" in told
    assert "knowledge" not in said(prompts.inspection(QUERY))


@pytest.mark.parametrize("name", BUILT_IN)
def test_each_convention_of_boxes_is_asked_for_in_words_of_its_own(name: str) -> None:
    prompts = load_prompts(name)
    query = View(np.zeros((28, 56, 3), np.uint8), (1234, 567))
    said_in = {space: said(prompts.inspection(query, space=space)) for space in CoordinateSpace}
    assert len(set(said_in.values())) == len(CoordinateSpace)
    assert not any("$" in text for text in said_in.values())
    assert said_in[CoordinateSpace.VIEW] == said(prompts.inspection(query))
    for space, text in said_in.items():
        assert ("1234" in text and "567" in text) == (space is CoordinateSpace.ORIGINAL)
        assert ("from 0 to 1000" in text) == (space in THOUSANDS)
        assert ("'box_2d': [ymin, xmin, ymax, xmax]" in text) == (space is CoordinateSpace.THOUSAND_YX)
    assert "from 0 to 1" in said_in[CoordinateSpace.UNIT]


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("reasoning", [True, False])
def test_a_confidence_is_asked_for_last_and_only_when_wanted(name: str, reasoning: bool) -> None:
    prompts = load_prompts(name)
    without, asked = (
        said(prompts.inspection(QUERY, [FIRST], reasoning=reasoning, confidence=wanted))
        for wanted in (False, True)
    )
    assert asked == f"{without}\n{prompts.confidence}" and "<confidence>N</confidence>" in asked


def test_only_the_teacher_is_told_the_truth() -> None:
    prompts = load_prompts()
    truth = [Instance(Box(1.2, 2, 3, 4), "dent"), Instance(Box(5, 6, 7, 8), "$hint")]
    assert "([1, 2, 3, 4], 'dent'), ([5, 6, 7, 8], '$hint')" in said(prompts.teacher(QUERY, [FIRST], truth))
    assert "normal product" in said(prompts.teacher(QUERY, [FIRST], []))
    assert "is normal" in said(prompts.opposite(QUERY, [], anomalous=True))
    assert "is anomalous" in said(prompts.opposite(QUERY, [], anomalous=False))


def test_the_hashes_follow_every_wording() -> None:
    prompts = load_prompts()
    names = {field.name for field in fields(Prompts)}
    of_hints = {name for name in names if name.startswith("hint")}
    changed = {name: replace(prompts, **{name: "other"}) for name in names}
    assert (
        len({changed[name].hash for name in names - of_hints} | {prompts.hash}) == len(names - of_hints) + 1
    )
    assert len({changed[name].hints_hash for name in of_hints} | {prompts.hints_hash}) == len(of_hints) + 1
    assert load_prompts().hash == prompts.hash and len(prompts.hash) == 12


@pytest.mark.parametrize(("name", "hash_"), [("default", "8f9eefc28760"), ("brief", "ae9a01ab0acf")])
def test_runs_without_hints_stay_comparable_when_hints_are_worded(name: str, hash_: str) -> None:
    prompts = load_prompts(name)
    assert replace(prompts, hint="x", hint_whole="y").hash == prompts.hash == hash_


def as_toml(prompts: Prompts, **changes: object) -> str:
    values = {field.name: getattr(prompts, field.name) for field in fields(Prompts)} | changes
    return "\n".join(f"{key} = {value!r}" for key, value in values.items() if value is not None)


def test_own_prompts_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(as_toml(load_prompts("brief"), system="Look."), "utf-8")
    assert load_prompts(str(path)) == replace(load_prompts("brief"), system="Look.")


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"system": None}, "system"), ({"extra": "x"}, "extra"), ({"system": 3}, "no text")],
)
def test_a_prompt_file_has_exactly_the_fields(tmp_path: Path, changes: dict, named: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(as_toml(load_prompts("brief"), **changes), "utf-8")
    with pytest.raises(DataError, match=rf"own\.toml.*{named}"):
        load_prompts(str(path))


@pytest.mark.parametrize("content", [None, b"name = ", b"\xff\xfe"])
def test_unreadable_prompt_files_are_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "own.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"own\.toml.*built in are default, brief"):
        load_prompts(str(path))


@pytest.mark.parametrize(("name", "hash_"), [("default", "6b569104ba9c"), ("brief", "00900469e8fd")])
def test_texts_paid_for_stay_valid_when_other_conventions_are_worded(name: str, hash_: str) -> None:
    prompts = load_prompts(name)
    assert prompts.teaching_hash == hash_, "a changed wording asks every teacher again: mean it"
    assert replace(prompts, location_unit="x", confidence="y").teaching_hash == hash_
    assert replace(prompts, location_view="x").teaching_hash != hash_
    assert replace(prompts, reasoning_format="x $box").teaching_hash != hash_
