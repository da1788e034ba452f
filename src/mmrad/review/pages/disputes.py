"""Disputes: samples on which people who did not see each other decided differently, and settling them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote
from uuid import uuid4

from nicegui import ui
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from mmrad.corpus.reviews import Review
from mmrad.review.application import Application
from mmrad.review.criteria import Criteria
from mmrad.review.decision import Decision, SentRegion, SentText
from mmrad.review.desk import Seat
from mmrad.review.pages.choice import STATUS_NAMES
from mmrad.review.pages.grid import Layer, Picture
from mmrad.review.pages.parts import box, button, link, plural, text
from mmrad.review.pages.shell import require
from mmrad.review.records import Role, User
from mmrad.sample import Region, Sample

AT_ONCE = 20
"""Disputes on a page."""

_KINDS = ("first", "second", "third", "fourth")


@dataclass(frozen=True, slots=True)
class Dispute:
    """A sample on which people disagree.

    Attributes:
        sample: The sample.
        reviews: The latest blind review of each.
        seen: How many reviews there are that were not blind.
    """

    sample: Sample
    reviews: Sequence[Review]
    seen: int


def read_disputes(application: Application, limit: int) -> tuple[int, list[Dispute]]:
    """How many disputes there are, and the first of them."""
    index, ledger = application.index, application.ledger
    ledger.refresh()
    rows = index.select(Criteria(statuses=("disputed",)), ledger.statuses())
    found = []
    for row in rows[:limit]:
        sample = index.sample(index.ids[row])
        found.append(Dispute(sample, ledger.standing(sample.id).blind, ledger.seen(sample.id, "")))
    return len(rows), found


def take(application: Application, dispute: Dispute, review: Review, admin: User, seconds: float) -> None:
    """Settle a dispute as one of the people decided.

    Raises:
        ConflictError: When it was settled since it was shown.
    """
    regions = [SentRegion(box=one.box.xyxy, label=one.label, mask=one.mask) for one in review.after]
    decision = Decision(
        id=uuid4(),
        sample_id=dispute.sample.id,
        seen=dispute.seen,
        outcome=review.outcome,
        reason=review.reason,
        regions=tuple(regions),
        text=_text_of(application, review),
        seconds=seconds,
    )
    application.desk.decide(decision, dispute.sample, Seat(admin, judging=True))


def _text_of(application: Application, review: Review) -> SentText | None:
    """What the person decided of a text, as the desk would send it."""
    decided = review.text
    texts = application.index.texts(review.sample_id, ()) if decided else []
    sizes = [text.view_wh for text in texts if decided and text.teacher == decided.teacher]
    if not decided or not sizes:
        return None
    return SentText(
        teacher=decided.teacher,
        before=decided.before,
        good=decided.good,
        after=decided.after,
        view_wh=sizes[0],
    )


async def disputes(application: Application, request: Request) -> None:
    """Fill the page."""
    await _Disputes(application).refresh()


class _Disputes:
    """The list, which is drawn again when a dispute has been settled."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.place = box("div", "disputes")
        self.since = time.monotonic()

    async def refresh(self) -> None:
        """Show what there is to settle now."""
        total, found = await run_in_threadpool(read_disputes, self.application, AT_ONCE)
        self.since = time.monotonic()
        self.place.clear()
        with self.place:
            if not total:
                with box("div", "empty"):
                    text("h2", "Nothing to settle")
                    text("p", "Samples appear here when people who review them blind do not agree.")
                return
            shown = f"; the first {len(found)} are here" if total > len(found) else ""
            text("p", plural(total, "sample") + " on which people disagree" + shown, "soft")
            for dispute in found:
                self._draw(dispute)

    def _draw(self, dispute: Dispute) -> None:
        kinds = dict(zip((review.reviewer for review in dispute.reviews), _KINDS, strict=False))
        with box("section", "card dispute", aria_label=dispute.sample.id):
            with box("div", "dispute-head"):
                text("h2", dispute.sample.id)
                address = f"/sample?id={quote(dispute.sample.id, safe='')}&adjudicate=1"
                link("Open in the desk", self.application.url(address), "button plain")
            with box("div", "dispute-body"):
                Picture(self.application, dispute.sample, _layers(dispute, kinds))
                for review in dispute.reviews:
                    self._draw_side(dispute, review, kinds.get(review.reviewer, ""))

    def _draw_side(self, dispute: Dispute, review: Review, kind: str) -> None:
        with box("div", f"side-of {kind}"):
            text("h3", review.reviewer)
            text("p", STATUS_NAMES[review.outcome], f"badge {review.outcome}")
            if review.reason:
                text("p", review.reason)
            if review.outcome == "keep":
                _regions(review.after)
            text("p", f"{review.at[:10]}, {review.seconds:.0f} s", "fine")
            button(f"Take {review.reviewer}’s", partial(self._take, dispute, review), "primary")

    async def _take(self, dispute: Dispute, review: Review) -> None:
        admin = self.application.person()
        require(admin, Role.ADMIN)
        seconds = time.monotonic() - self.since
        try:
            await run_in_threadpool(take, self.application, dispute, review, admin, seconds)
            ui.notify(f"Settled as {review.reviewer} decided")
        finally:
            await self.refresh()


def _layers(dispute: Dispute, kinds: dict[str, str]) -> list[Layer]:
    return [
        Layer(kinds[review.reviewer], review.reviewer, review.after if review.outcome == "keep" else ())
        for review in dispute.reviews
        if review.reviewer in kinds
    ]


def _regions(regions: Sequence[Region]) -> None:
    if not regions:
        text("p", "normal: no region")
        return
    with box("ul", "regions"):
        for region in regions:
            x1, y1, x2, y2 = region.box.xyxy
            with box("li"):
                text("span", region.label)
                text("span", f"{x2 - x1:g} × {y2 - y1:g} px at {x1:g}, {y1:g}", "fine")
