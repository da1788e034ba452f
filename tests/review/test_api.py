"""The JSON routes and pictures of a real server."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builders import make_corpus
from mmrad.corpus import Corpus
from mmrad.review.criteria import Criteria
from mmrad.review.store.store import Store
from served import Served, Visitor, served

SAMPLE = "made/part/test/001"
REGION = {"box": [10, 20, 40, 50], "label": "scratch", "mask": None}
TEXT = (
    "<think>There is a scratch at [10, 20, 40, 50].</think>"
    "<answer>Yes. {'bbox_2d': [10, 20, 40, 50], 'label': 'scratch'}</answer>"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api") / "corpus"
    corpus = make_corpus(folder, 12)
    line = {"sample_id": SAMPLE, "text": TEXT, "view_wh": [84, 56], "teacher": "scripted", "verified": True}
    (folder / "texts").mkdir()
    (folder / "texts" / "scripted.jsonl").write_text(json.dumps({**line, "checks": {"parses": True}}) + "\n")
    store = Store(f"sqlite:///{folder / 'review.sqlite3'}")
    ids = [sample.id for sample in corpus.samples]
    store.add_queue("All", Criteria(), ids, by="ann")
    store.close()
    return folder


@pytest.fixture(scope="module")
def api(folder: Path) -> Iterator[Served]:
    with served(folder, "--reviewer", "ann") as running:
        yield running


@pytest.fixture
def ann(api: Served) -> Iterator[Visitor]:
    with Visitor(api.url) as visitor:
        yield visitor


def decision(sample_id: str = SAMPLE, **changes: Any) -> dict[str, Any]:
    found = {
        "id": str(uuid.uuid4()), "sample_id": sample_id, "queue": None, "seen": 0, "outcome": "keep",
        "reason": "", "regions": [REGION], "text": None, "seconds": 3.25,
    }  # fmt: skip
    return {**found, **changes}


def test_what_the_desk_is_told(ann: Visitor) -> None:
    told = ann.get("api/sample", params={"id": SAMPLE}).json()
    assert told["size_wh"] == [84, 56]
    assert told["regions"] == [REGION]
    assert told["labels"] == ["scratch"]
    assert (told["status"], told["seen"], told["blind"], told["history"]) == ("open", 0, False, [])
    [text] = told["texts"]
    assert (text["teacher"], text["text"], text["view_wh"], text["review"]) == (
        "scripted",
        TEXT,
        [84, 56],
        None,
    )
    for address in (told["image"], *told["references"]):
        assert ann.get(address.lstrip("/")).headers["Content-Type"] == "image/png"
    assert told["mask"] is None and ann.get("mask", params={"id": SAMPLE}).status_code == 404


def test_a_picture_is_sent_once(ann: Visitor) -> None:
    for address in ("image", "thumb"):
        first = ann.get(address, params={"id": SAMPLE})
        assert first.status_code == 200 and first.headers["Cache-Control"] == "private, no-cache"
        again = ann.get(address, params={"id": SAMPLE}, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        other = ann.get(address, params={"id": SAMPLE}, headers={"If-None-Match": '"other"'})
        assert other.content == first.content


PATHS = [
    "../../../../etc/passwd", "/etc/passwd", "..%2f..%2fetc%2fpasswd", "made/part/test/../../../raw/good.png",
    "raw/good.png", "corpus.json", "../corpus.json", "file:///etc/passwd", "made/part/test/001\x00.png", "",
    "made/part/test/001/", "MADE/part/test/001", "x" * 1001, "\ud7ff", "%s%n", "good.png",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_ids_are_no_paths(ann: Visitor, path: str) -> None:
    for address in ("image", "reference", "mask", "thumb", "api/sample"):
        answer = ann.get(address, params={"id": path})
        assert answer.status_code in (400, 404), answer.text
        assert list(answer.json()) == ["error"]
    answer = ann.get("api/proposals", params={"id": path, "name": path})
    assert answer.status_code in (400, 404)
    assert ann.change("api/reviews", decision(path)).status_code in (400, 404)


@pytest.mark.parametrize(
    "path",
    [
        "image/..%2f..%2fetc%2fpasswd", "_nicegui/../../etc/passwd", "static/../corpus.json", "corpus.json",
        "raw/good.png", "..%2fcorpus.json", "%2e%2e/corpus.json", "//etc/passwd", ".cache/", "reviews.jsonl",
        "review.sqlite3", "openapi.json", "docs", "redoc", "api/nothing",
    ],
)  # fmt: skip
def test_no_file_is_served_by_its_path(ann: Visitor, path: str) -> None:
    assert ann.get(path).status_code == 404
    assert ann.get(f"_nicegui/3.18.0/static/{path}").status_code == 404


def test_a_reference_that_is_none(ann: Visitor) -> None:
    assert ann.get("reference", params={"id": SAMPLE, "rank": 1}).status_code == 404
    for rank in ("-1", "x", "99999999999999999999"):
        assert ann.get("reference", params={"id": SAMPLE, "rank": rank}).status_code in (400, 404)


def test_a_part_of_the_samples(ann: Visitor) -> None:
    wanted = json.dumps({"anomalous": True})
    found = ann.get("api/samples", params={"criteria": wanted, "offset": 1, "limit": 2}).json()
    assert found["total"] == 6 and "facets" not in found
    assert [sample["id"][-3:] for sample in found["samples"]] == ["003", "005"]
    assert ann.get(found["samples"][0]["thumb"].lstrip("/")).headers["Content-Type"].startswith("image/")
    assert ann.get("api/samples").json()["facets"]["label"] == {"scratch": 6}


@pytest.mark.parametrize(
    "query", ["criteria={", 'criteria={"x":1}', "offset=-1", "limit=0", "limit=501", "offset=x"]
)
def test_criteria_that_are_none(ann: Visitor, query: str) -> None:
    answer = ann.get(f"api/samples?{query}")
    assert answer.status_code == 400 and list(answer.json()) == ["error"]


def test_a_decision_is_kept_and_sent_twice_kept_once(ann: Visitor, folder: Path) -> None:
    sample = "made/part/test/003"
    moved = {"box": [12, 20, 40, 50], "label": " deep   dent ", "mask": None}
    sent = decision(sample, regions=[moved], queue="all")
    first = ann.change("api/reviews", sent)
    assert first.status_code == 200, first.text
    assert (first.json()["status"], first.json()["seen"]) == ("keep", 1)
    assert first.json()["progress"]["mine"] == 1
    assert ann.change("api/reviews", sent).json() == first.json()
    [review] = Corpus(folder).reviews[sample]
    assert (review.reviewer, review.number, review.outcome, review.seconds) == ("ann", 1, "keep", 3.2)
    assert [(r.box.xyxy, r.label) for r in review.before] == [((10, 20, 40, 50), "scratch")]
    assert [(r.box.xyxy, r.label) for r in review.after] == [((12, 20, 40, 50), "deep dent")]
    told = ann.get("api/sample", params={"id": sample}).json()
    assert told["regions"] == [{**moved, "label": "deep dent"}]
    assert [(r["reviewer"], r["outcome"]) for r in told["history"]] == [("ann", "keep")]


def test_two_people_on_one_sample_lose_nothing(ann: Visitor, folder: Path) -> None:
    sample = "made/part/test/005"
    assert ann.change("api/reviews", decision(sample, outcome="unsure")).status_code == 200
    late = ann.change("api/reviews", decision(sample, outcome="drop", reason="blurred"))
    assert late.status_code == 409
    told = late.json()
    assert "ann decided since" in told["error"]
    assert [review["outcome"] for review in told["reviews"]] == ["unsure"]
    assert (told["sample"]["id"], told["sample"]["seen"]) == (sample, 1)
    again = ann.change("api/reviews", decision(sample, outcome="drop", reason="blurred", seen=1))
    assert (again.status_code, again.json()["status"]) == (200, "drop")
    assert [review.outcome for review in Corpus(folder).reviews[sample]] == ["unsure", "drop"]


FAR = {"box": [0, 0, 85, 56], "label": "x", "mask": None}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"regions": [FAR]}, "not inside the image of 84 x 56"),
        ({"regions": [{**FAR, "box": [-1, 0, 5, 5]}]}, "region 1"),
        ({"regions": [{**FAR, "box": [5, 0, 5, 5]}]}, "empty"),
        ({"regions": [{**FAR, "box": [9, 0, 5, 5]}]}, "empty"),
        ({"regions": [{**FAR, "box": [0.5, 0, 5, 5]}]}, "whole pixels"),
        ({"regions": [{**FAR, "box": [0, 0, 5]}]}, "regions.0.box"),
        ({"regions": [{**FAR, "box": ["0", 0, 5, 5]}]}, "regions.0.box.0"),
        ({"regions": [{**FAR, "box": [True, 0, 5, 5]}]}, "regions.0.box.0"),
        ({"regions": [{**FAR, "box": [0, 0, 1e400, 5]}]}, ""),
        ({"regions": [REGION, {**REGION, "label": " "}]}, "region 2 has no label"),
        ({"regions": [{**REGION, "label": "x" * 201}]}, "at most 200"),
        ({"regions": [{**REGION, "label": "a\x00b"}]}, "one line"),
        ({"regions": [{**REGION, "mask": "raw/good.png"}]}, "mask"),
        ({"regions": [{**REGION, "more": 1}]}, "regions.0.more"),
        ({"regions": [REGION] * 501}, "regions"),
        ({"regions": None}, "regions"),
        ({"outcome": "perhaps"}, "outcome"),
        ({"outcome": "drop"}, "reason"),
        ({"outcome": "drop", "reason": "  "}, "reason"),
        ({"outcome": "drop", "reason": "a\x00"}, "control characters"),
        ({"outcome": "drop", "reason": "x" * 2001}, "reason"),
        ({"seen": 7}, "there are only 0"),
        ({"seen": -1}, "seen"),
        ({"seen": 0.5}, "seen"),
        ({"id": "1"}, "id"),
        ({"seconds": -1}, "seconds"),
        ({"seconds": float("nan")}, ""),
        ({"reviewer": "bob"}, "reviewer"),
        ({"text": {"teacher": "scripted"}}, "text.before"),
        (
            {
                "text": {
                    "teacher": "scripted",
                    "before": "other",
                    "good": True,
                    "after": None,
                    "view_wh": [84, 56],
                }
            },
            "another than the teacher's",
        ),
        (
            {"text": {"teacher": "x", "before": TEXT, "good": True, "after": None, "view_wh": [84, 56]}},
            "another than the teacher's",
        ),
        (
            {
                "text": {
                    "teacher": "scripted",
                    "before": TEXT,
                    "good": True,
                    "after": None,
                    "view_wh": [0, 56],
                }
            },
            "text.view_wh.0",
        ),
    ],
)
def test_what_is_not_acceptable_is_told_and_not_stored(
    ann: Visitor, folder: Path, changes: dict[str, Any], reason: str
) -> None:
    body = json.dumps(decision(**changes))
    headers = {"X-CSRF-Token": ann.csrf, "Content-Type": "application/json"}
    answer = ann.post("api/reviews", content=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert reason in answer.json()["error"]
    assert SAMPLE not in Corpus(folder).reviews


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"a"', b'{"id": "\\ud800"}', b"\xff\xfe", b"[" * 5000]
)
def test_bodies_that_are_no_decision(ann: Visitor, body: bytes) -> None:
    headers = {"X-CSRF-Token": ann.csrf, "Content-Type": "application/json"}
    for address in ("api/reviews", "api/verify", "api/segment"):
        answer = ann.post(address, content=body, headers=headers)
        assert answer.status_code == 400 and list(answer.json()) == ["error"]


def test_large_bodies_are_refused(ann: Visitor) -> None:
    headers = {"X-CSRF-Token": ann.csrf, "Content-Type": "application/json"}
    assert ann.post("api/reviews", content=b" " * 1_100_000, headers=headers).status_code == 413
    pieces = (b" " * 100_000 for _ in range(12))  # without a length
    assert ann.post("api/reviews", content=pieces, headers=headers).status_code == 413


def test_unknown_queues(ann: Visitor) -> None:
    for key in ("nothing", "a%00b", "..%2f", "%ff"):
        assert ann.get(f"api/queues/{key}/next").status_code == 404
    assert ann.change("api/reviews", decision(queue="nothing")).status_code == 404


def test_the_next_tasks(ann: Visitor) -> None:
    found = ann.get("api/queues/all/next", params={"count": 2, "after": 5}).json()
    assert [task["position"] for task in found["tasks"]] == [6, 7]
    assert found["progress"]["size"] == 12
    assert ann.get("api/queues/all/next", params={"count": 21}).status_code == 400


def test_a_text_is_verified_while_it_is_written(ann: Visitor) -> None:
    asked = {"sample_id": SAMPLE, "text": TEXT, "view_wh": [84, 56], "regions": [REGION]}
    found = ann.change("api/verify", asked).json()
    assert found["passed"] and found["feedback"] == "" and found["boxes"] == [[10, 20, 40, 50]]
    wrong = ann.change("api/verify", {**asked, "regions": []}).json()
    assert not wrong["passed"] and wrong["checks"]["verdict"] is False
    assert wrong["feedback"] == "The answer says Yes, but the product is normal."
    larger = ann.change("api/verify", {**asked, "view_wh": [168, 112]}).json()
    assert larger["boxes"] == [[5, 10, 20, 25]]


def test_an_edited_text_is_verified_by_the_server(ann: Visitor, folder: Path) -> None:
    sample = "made/part/test/001"
    after = TEXT.replace("There is", "Look, there is")
    text = {"teacher": "scripted", "before": TEXT, "good": True, "after": after, "view_wh": [84, 56]}
    assert ann.change("api/reviews", decision(sample, text=text)).status_code == 200
    [review] = Corpus(folder).reviews[sample]
    assert review.text is not None and review.text.after == after
    assert review.text.checks and all(review.text.checks.values())
    told = ann.get("api/sample", params={"id": sample}).json()
    assert told["texts"][0]["review"] == {"good": True, "after": after, "by": "ann"}
    # Who comes next reads the edited text, and may leave it as it is.
    again = {**text, "before": after, "after": after}
    assert ann.change("api/reviews", decision(sample, text=again, seen=1)).status_code == 200
    assert Corpus(folder).reviews[sample][1].text.after is None


def test_without_weights_nothing_is_segmented(ann: Visitor) -> None:
    answer = ann.change("api/segment", {"id": SAMPLE, "box": [10, 20, 40, 50]})
    assert answer.status_code == 404 and "--sam" in answer.json()["error"]
    assert ann.change("api/segment", {"id": SAMPLE, "box": [0, 0, 99, 99]}).status_code in (400, 404)


def test_large_answers_are_compressed_and_pictures_not(ann: Visitor) -> None:
    assert ann.get("api/samples").headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in ann.get("image", params={"id": SAMPLE}).headers
