"""MMAD's questions are asked over HTTP with faults, and a call goes on where the last one stopped."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from builders import make_corpus
from mmad_tree import IMAGES, RANDOM, mmad_tree
from mmrad.bench.mmad import Asking, MmadRun, ask_mmad, read_questions
from mmrad.cli.mmad import mmad
from mmrad.endpoint import Endpoint, Price
from mmrad.errors import BudgetReached, DataError, ProviderError, UsageError
from mmrad.export.multiple_choice import export_multiple_choice
from mmrad.image import encode_png
from mmrad.view import Budget
from servers import Call, FaultServer, cuts_body, fails, fails_briefly, says, sends, unused_port


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return mmad_tree(tmp_path / "MMAD")


def said_in(body: dict[str, Any]) -> str:
    return "".join(part["text"] for part in body["messages"][-1]["content"] if part["type"] == "text")


def first_option(call: Call) -> None:
    says("A", tokens=(100, 1))(call)


def endpoint(server: FaultServer, **given: Any) -> Endpoint:
    return Endpoint("m", server.base_url, concurrency=2, **{"retries": 0, **given})


def lines(run: MmadRun) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / "answers.jsonl").read_text("utf-8").splitlines()]


def test_the_questions_of_an_export_are_read_too(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", 4)
    export_multiple_choice(corpus, tmp_path / "out")
    questions = read_questions(tmp_path / "out", "similar")
    assert [one.normal for one in questions if one.type == "Anomaly Detection"] == [True, False] * 2
    assert all(
        (tmp_path / "out" / name).is_file() for one in questions for name in (one.image, *one.templates)
    )
    with FaultServer(default=first_option) as server:
        run = ask_mmad(tmp_path / "out", questions, endpoint(server), tmp_path)
    assert {answer.letter for answer in run.answers.values()} == {"A"}


def test_every_question_is_asked_once_by_itself_and_scored(root: Path, tmp_path: Path) -> None:
    questions = read_questions(root)
    seen: list[tuple[int, int]] = []
    with FaultServer(default=first_option) as server:
        run = ask_mmad(
            root,
            questions,
            endpoint(server),
            tmp_path,
            progress=lambda done, total: seen.append((done, total)),
        )
        asked = [said_in(call.body) for call in server.calls]
        bodies = [call.body for call in server.calls]
    assert run.path == tmp_path / "m-1-shot"
    for one in questions:
        assert sum(one.text in text for text in asked) == sum(other.text == one.text for other in questions)
    for body in bodies:
        images = [part for part in body["messages"][-1]["content"] if part["type"] == "image_url"]
        assert len(images) == 2
        assert (body["temperature"], body["max_tokens"]) == (0.0, 512)
    assert seen[0] == (0, 8) and seen[-1] == (8, 8)
    assert {answer.usage.input_tokens for answer in run.answers.values()} == {100}
    mvtec, visa, average = run.rows()
    assert mvtec.accuracy == {  # "A" is right of the anomalous image alone
        "Anomaly Detection": 0.5,
        "Object Analysis": 1,
        "Defect Classification": 0,
        "Defect Localization": None,
    }
    assert (mvtec.overkill, mvtec.miss) == (1, 0)
    assert visa.accuracy["Defect Localization"] == 0
    assert visa.accuracy["Anomaly Detection"] == 1
    assert average.unanswered == {}


def test_parameters_that_a_model_refuses_are_not_sent(root: Path, tmp_path: Path) -> None:
    asking = Asking(rejects=("temperature", "seed"))
    with FaultServer(default=first_option) as server:
        ask_mmad(root, read_questions(root)[:1], endpoint(server), tmp_path, asking=asking)
        (call,) = server.calls
    assert call.body.keys() & {"temperature", "seed", "max_tokens"} == {"max_tokens"}


def test_without_references_the_query_alone_is_shown(root: Path, tmp_path: Path) -> None:
    with FaultServer(default=first_option) as server:
        run = ask_mmad(
            root, read_questions(root)[:1], endpoint(server), tmp_path, asking=Asking(references=0)
        )
        (call,) = server.calls
    assert run.path.name == "m-0-shot"
    assert sum(part["type"] == "image_url" for part in call.body["messages"][-1]["content"]) == 1
    assert "normal" not in said_in(call.body)


FAULTS = [fails(500), sends("no JSON"), says(""), cuts_body, says("A", model="other-model")]


def test_a_failed_call_is_never_an_answer_and_is_asked_again(root: Path, tmp_path: Path) -> None:
    questions = read_questions(root)
    with FaultServer([says("A"), *FAULTS, says("Hm."), says("A", finish="length")]) as server:
        run = ask_mmad(root, questions, replace(endpoint(server), concurrency=1), tmp_path)
        statuses = [run.answers[one.id].status for one in questions]
        assert statuses == [
            "ok", "failed", "failed", "empty", "failed", "wrong_model", "unparsed", "truncated",
        ]  # fmt: skip
        assert {answer.letter for answer in run.answers.values() if answer.status != "ok"} == {None}
        assert run.rows()[-1].unanswered == {
            "empty": 1, "failed": 3, "truncated": 1, "unparsed": 1, "wrong_model": 1,
        }  # fmt: skip
        server.default = first_option
        before = len(server.calls)
        again = ask_mmad(root, questions, endpoint(server), tmp_path)
        assert len(server.calls) - before == len(FAULTS)  # what the model itself said stands
    assert Counter(answer.status for answer in again.answers.values()) == {
        "ok": 6, "unparsed": 1, "truncated": 1,
    }  # fmt: skip
    assert len(lines(again)) == len(questions) + len(FAULTS)


def test_passing_faults_are_tried_again_at_once(root: Path, tmp_path: Path) -> None:
    with FaultServer([fails_briefly(429), fails_briefly(503)], default=first_option) as server:
        run = ask_mmad(root, read_questions(root), endpoint(server, retries=3), tmp_path)
    assert {answer.status for answer in run.answers.values()} == {"ok"}


def test_nothing_answered_is_asked_again_and_a_torn_line_is(root: Path, tmp_path: Path) -> None:
    questions = read_questions(root)
    with FaultServer(default=first_option) as server:
        run = ask_mmad(root, questions[:4], endpoint(server), tmp_path)
        ask_mmad(root, questions[:4], endpoint(server), tmp_path)
        assert len(server.calls) == 4
        path = run.path / "answers.jsonl"
        path.write_bytes(path.read_bytes()[:-9])
        ask_mmad(root, questions, endpoint(server), tmp_path)
        assert len(server.calls) == 4 + 1 + 4


def test_a_run_that_was_asked_otherwise_is_refused(root: Path, tmp_path: Path) -> None:
    questions = read_questions(root)[:2]
    with FaultServer(default=first_option) as server:
        ask_mmad(root, questions, endpoint(server), tmp_path)
        for asking in (Asking(max_tokens=7), Asking(seed=1), Asking(budget=Budget(max_pixels=4 * 28 * 28))):
            with pytest.raises(UsageError, match=r"asking\.\w+ is .* there and .* now"):
                ask_mmad(root, questions, endpoint(server), tmp_path, asking=asking)
        (root / "mmad.json").write_text((root / "mmad.json").read_text("utf-8") + " ", encoding="utf-8")
        with pytest.raises(UsageError, match="mmad_sha256"):
            ask_mmad(root, questions, endpoint(server), tmp_path)
        assert len(server.calls) == 2


@pytest.mark.parametrize("changed", [IMAGES[0], RANDOM])
def test_a_changed_image_is_refused(root: Path, tmp_path: Path, changed: str) -> None:
    questions = read_questions(root)[:1]
    with FaultServer(default=first_option) as server:
        ask_mmad(root, questions, endpoint(server), tmp_path)
        (root / changed).write_bytes(encode_png(np.zeros((56, 84, 3), np.uint8) + 7))
        with pytest.raises(UsageError, match="has changed since"):
            ask_mmad(root, questions, endpoint(server), tmp_path)


def test_an_image_that_is_missing_fails_its_own_questions_alone(root: Path, tmp_path: Path) -> None:
    (root / IMAGES[2]).unlink()
    questions = read_questions(root)
    with FaultServer(default=first_option) as server:
        run = ask_mmad(root, questions, endpoint(server), tmp_path)
        assert len(server.calls) == 5
    failed = [one.image for one in questions if run.answers[one.id].status == "failed"]
    assert failed == [IMAGES[2]] * 3
    assert "001.png" in run.answers[questions[-1].id].detail


def test_an_endpoint_that_is_not_there_is_told_and_costs_no_answer(root: Path, tmp_path: Path) -> None:
    nowhere = Endpoint("m", f"http://127.0.0.1:{unused_port()}/v1", retries=0)
    with pytest.raises(ProviderError):
        ask_mmad(root, read_questions(root), nowhere, tmp_path)
    assert (tmp_path / "m-1-shot" / "answers.jsonl").read_bytes() == b""


def test_a_cap_on_money_leaves_questions_unasked_and_keeps_the_answers(root: Path, tmp_path: Path) -> None:
    questions = read_questions(root)
    with FaultServer(default=first_option) as server:
        # An answer costs $0.01, and a question is estimated at a little less.
        model = endpoint(server, price=Price(100.0, 0.001))
        with pytest.raises(BudgetReached, match="5 of 8 questions were not asked"):
            ask_mmad(root, questions, model, tmp_path, max_cost=0.035)
        asked = len(server.calls)
        run = ask_mmad(root, questions, model, tmp_path, max_cost=1.0)
        assert len(server.calls) == len(questions) == len(run.answers)
    assert asked == 3


def test_a_cap_without_a_price_is_refused(root: Path, tmp_path: Path) -> None:
    with FaultServer() as server, pytest.raises(UsageError, match="price is not known"):
        ask_mmad(root, read_questions(root), endpoint(server), tmp_path, max_cost=1.0)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"question_id": "x"}', "line 1: not an answer"),
        ('{"question_id": "x", "key": "k", "answer": {"status": "fine"}}', "unknown status 'fine'"),
    ],
)
def test_a_damaged_line_is_named(root: Path, tmp_path: Path, line: str, what: str) -> None:
    questions = read_questions(root)[:1]
    with FaultServer(default=first_option) as server:
        run = ask_mmad(root, questions, endpoint(server), tmp_path)
        (run.path / "answers.jsonl").write_text(line + "\n", encoding="utf-8")
        with pytest.raises(DataError, match=what):
            ask_mmad(root, questions, endpoint(server), tmp_path)


def test_the_command_asks_and_prints_the_table(root: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(mmad)
    with FaultServer(default=first_option) as server:
        common = [str(root), "--model", "m", "--base-url", server.base_url, "--out", str(tmp_path / "runs")]
        done = CliRunner().invoke(app, [*common, "--dataset", "VisA"])
        assert done.exit_code == 0, done.output
        assert len(server.calls) == 3
        told = CliRunner().invoke(app, [*common, "--dataset", "VisA", "--json"])
        assert len(server.calls) == 3
        unknown = CliRunner().invoke(app, [*common, "--dataset", "Visa"])
        few = CliRunner().invoke(app, [*common, "--limit", "1", "--references", "0"])
        assert few.exit_code == 0, few.output
        assert len(server.calls) in (3 + 2, 3 + 3)
    assert "VisA" in done.stdout and "Average" in done.stdout
    rows = json.loads(told.stdout)
    assert [row["name"] for row in rows] == ["VisA", "Average"]
    assert rows[0]["accuracy"]["Defect Localization"] == 0
    assert isinstance(unknown.exception, UsageError)
