"""What the desk is told, who sees whose reviews, and which decisions are taken."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import make_corpus
from mmrad.box import Box
from mmrad.corpus import Corpus
from mmrad.errors import MissingExtraError, UsageError
from mmrad.review.criteria import Criteria
from mmrad.review.decision import Decision, TextCheck, read_sent, whole_box
from mmrad.review.desk import DeskService, ForbiddenError, Seat, region_json
from mmrad.review.index.samples import SampleIndex
from mmrad.review.records import ConflictError, Queue, Role, User
from mmrad.review.store.ledger import Ledger
from mmrad.review.store.store import Store
from mmrad.sample import Region, Sample
from mmrad.teach.similarity import LabelSimilarity

ANN, BOB, CID = (User(name, Role.ANNOTATOR) for name in ("ann", "bob", "cid"))
ROOT = User("root", Role.ADMIN)
HERE = {"box": [10, 20, 40, 50], "label": "scratch"}
THERE = {"box": [60, 5, 80, 25], "label": "dent"}


class Office:
    """A corpus of four samples with a blind queue."""

    def __init__(self, folder: Path) -> None:
        corpus = make_corpus(folder, 4)
        self.store = Store(f"sqlite:///{folder / 'review.sqlite3'}")
        self.ledger = Ledger(self.store, folder)
        self.index = SampleIndex(corpus)
        self.desk = DeskService(self.index, self.ledger)
        ids = [sample.id for sample in corpus.samples]
        self.twice: Queue = self.store.add_queue("Twice", Criteria(), ids, needed=2, by="root")
        self.sample: Sample = self.index.sample("made/part/test/001")

    def decide(self, seat: Seat, regions: list[dict[str, Any]] | None = None, **changes: Any) -> None:
        sent = {
            "id": str(uuid.uuid4()),
            "sample_id": self.sample.id,
            "seen": 0,
            "outcome": "keep",
            "seconds": 1,
        }
        whole = {**sent, "regions": [HERE] if regions is None else regions, **changes}
        self.desk.decide(Decision.model_validate(whole, strict=False), self.sample, seat)

    def told(self, seat: Seat) -> dict[str, Any]:
        return self.desk.describe(self.sample, seat)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path / "corpus")
    yield made
    made.store.close()


def test_blind_reviewers_do_not_know_of_each_other(office: Office) -> None:
    ann, bob = Seat(ANN, office.twice), Seat(BOB, office.twice)
    office.decide(ann, [THERE], reason="moved")
    told = office.told(bob)
    assert (told["blind"], told["seen"], told["status"], told["history"]) == (True, 0, "open", [])
    assert [region["label"] for region in told["regions"]] == ["scratch"]
    # Nor without the queue, when the sample is looked up by its id.
    assert office.told(Seat(BOB))["history"] == []
    # Ann goes on from her own.
    mine = office.told(ann)
    assert (mine["seen"], mine["status"]) == (1, "waiting")
    assert [region["label"] for region in mine["regions"]] == ["dent"]
    assert [review["reviewer"] for review in mine["history"]] == ["ann"]


def test_only_an_admin_settles_what_blind_reviewers_decided(office: Office) -> None:
    office.decide(Seat(ANN, office.twice), [THERE])
    office.decide(Seat(BOB, office.twice), [HERE])
    assert office.ledger.standing(office.sample.id).status == "disputed"
    with pytest.raises(ForbiddenError, match="only an admin"):
        office.decide(Seat(CID))
    judge = Seat(ROOT, judging=True)
    assert [review["reviewer"] for review in office.told(judge)["history"]] == ["ann", "bob"]
    office.decide(judge, [THERE])
    assert office.ledger.standing(office.sample.id).status == "keep"
    assert office.desk.shown(office.sample).regions == (Region(Box(60, 5, 80, 25), "dent"),)
    # It is settled, so the next one is like any other.
    office.decide(Seat(CID), seen=1, outcome="drop", reason="blurred")


def test_a_blind_review_again_starts_from_what_the_corpus_has(office: Office) -> None:
    ann, bob = Seat(ANN, office.twice), Seat(BOB, office.twice)
    office.decide(ann, [THERE])
    office.decide(ann, [THERE, HERE], seen=1)
    office.decide(bob, [HERE, THERE])
    shown = office.desk.shown(office.sample)
    assert {region.label for region in shown.regions} == {"dent", "scratch"}
    assert all(review.before == office.sample.regions for review in office.ledger.history(office.sample.id))


def test_the_second_of_two_decisions_is_a_conflict(office: Office) -> None:
    office.decide(Seat(ANN))
    with pytest.raises(ConflictError) as conflict:
        office.decide(Seat(BOB), outcome="drop", reason="x")
    assert [review.reviewer for review in conflict.value.reviews] == ["ann"]
    # Blind reviewers are never in each other's way.
    office.decide(Seat(ANN, office.twice))
    office.decide(Seat(BOB, office.twice))


def test_drop_and_unsure_leave_the_regions(office: Office) -> None:
    office.decide(Seat(ANN), [THERE], outcome="unsure")
    office.decide(Seat(ANN), [THERE], outcome="drop", reason=" blurred ", seen=1)
    history = office.ledger.history(office.sample.id)
    assert all(review.after == office.sample.regions for review in history)
    assert history[1].reason == "blurred"


def test_a_mask_may_come_back(office: Office) -> None:
    """What was once shown may be restored; nothing else is believed."""
    office.decide(Seat(ANN), [])
    assert office.desk.shown(office.sample).regions == ()
    office.decide(Seat(BOB), [{**HERE, "mask": None}], seen=1)
    with pytest.raises(UsageError, match="its mask is none of this sample"):
        office.decide(Seat(BOB), [{**HERE, "mask": "../../etc/passwd"}], seen=2)


def test_without_the_packages_labels_are_not_compared(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(self: LabelSimilarity, first: str, second: str) -> float:
        raise MissingExtraError("sentence-transformers", "local")

    monkeypatch.setattr(LabelSimilarity, "__call__", missing)
    text = (
        "<think>On the left I see damage at [10, 20, 40, 50].</think>"
        "<answer>Yes. {'bbox_2d': [10, 20, 40, 50], 'label': 'scrape'}</answer>"
    )
    asked = {"sample_id": office.sample.id, "text": text, "view_wh": [84, 56], "regions": [HERE]}
    found = office.desk.check(TextCheck.model_validate(asked, strict=False), office.sample)
    assert found["checks"]["label"] is None
    assert found["passed"] and found["feedback"] == ""


def test_advice_is_for_people(office: Office) -> None:
    asked = {"sample_id": office.sample.id, "text": "I see nothing", "view_wh": [84, 56], "regions": [HERE]}
    found = office.desk.check(TextCheck.model_validate(asked, strict=False), office.sample)
    assert not found["passed"] and found["boxes"] == []
    assert found["feedback"].startswith("The text cannot be read")
    assert "Write the whole text again" not in found["feedback"]


def test_whole_numbers_are_told_as_such() -> None:
    assert region_json(Region(Box(1.0, 2.0, 3.0, 4.5), "x", "m.png")) == {
        "box": [1, 2, 3, 4.5], "label": "x", "mask": "m.png",
    }  # fmt: skip


sides = st.integers(1, 300)
numbers = st.one_of(st.integers(-10, 310), st.floats(-10, 310))


@given(box=st.tuples(numbers, numbers, numbers, numbers), size_wh=st.tuples(sides, sides))
def test_a_box_is_whole_and_inside_or_refused(
    box: tuple[float, float, float, float], size_wh: tuple[int, int]
) -> None:
    x1, y1, x2, y2 = box
    good = all(float(value).is_integer() for value in box) and (
        0 <= x1 < x2 <= size_wh[0] and 0 <= y1 < y2 <= size_wh[1]
    )
    if good:
        assert whole_box(box, size_wh, "box").xyxy == box
    else:
        with pytest.raises(UsageError, match="box"):
            whole_box(box, size_wh, "box")


@given(st.binary(max_size=200))
def test_no_body_is_more_than_refused(body: bytes) -> None:
    with pytest.raises(UsageError):
        read_sent(Decision, body)


def test_a_corpus_is_only_added_to(office: Office) -> None:
    """Reading it again gives what was decided and the samples as they were."""
    office.decide(Seat(ANN), [THERE])
    again = Corpus(office.index.corpus.path)
    assert again.samples == office.index.corpus.samples
    assert [review.after for review in again.reviews[office.sample.id]] == [
        (Region(Box(60, 5, 80, 25), "dent"),)
    ]
