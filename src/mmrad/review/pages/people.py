"""People: what each has reviewed, how far they agree, and their accounts."""

from __future__ import annotations

from nicegui import ui
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from mmrad.review.agreement import PairAgreement, agreement
from mmrad.review.application import Application
from mmrad.review.pages.accounts import Accounts
from mmrad.review.pages.parts import box, card, cell, row, table, text
from mmrad.review.records import Role
from mmrad.review.store import PersonProgress

UNDEFINED = "–"


async def people(application: Application, request: Request) -> None:
    """Fill the page."""
    store = application.store
    if store is None:
        text("p", "This application only shows a corpus: nobody reviews here.")
        return
    with card("Progress"):
        _progress(await run_in_threadpool(store.people))
    with card("Agreement") as agreements:
        waiting = text("p", "Comparing …", "soft")
    if application.person().role.allows(Role.ADMIN):
        await Accounts(application, store).refresh()
    await ui.context.client.connected()
    pairs = await run_in_threadpool(_pairs, application)
    waiting.delete()
    with agreements:
        _agreement(pairs)


def _pairs(application: Application) -> list[PairAgreement]:
    ledger = application.ledger
    return agreement(ledger.history(sample_id) for sample_id in ledger.statuses())


def _progress(found: list[PersonProgress]) -> None:
    if not found:
        text("p", "Nobody has reviewed anything yet.", "soft")
        return
    headings = ["Person", "Last 14 days", "Today", "Reviews", "Time each", "Kept", "Dropped", "Unsure"]
    with table("What each person has reviewed", headings, numbers=range(2, 8)):
        for person in found:
            with row(person.name):
                with cell():
                    _days(person.days)
                each = f"{person.seconds / person.reviews:.1f} s" if person.reviews else UNDEFINED
                today = list(person.days.values())[-1] if person.days else 0
                for value in (today, person.reviews, each, person.kept, person.dropped, person.unsure):
                    text("td", f"{value:,}" if isinstance(value, int) else value, "number")


def _days(days: dict[str, int]) -> None:
    most = max(days.values(), default=0) or 1
    said = ", ".join(f"{day}: {count}" for day, count in days.items() if count) or "no reviews"
    with box("div", "days", role="img", aria_label=said):
        for day, count in days.items():
            bar = box("span", "" if count else "zero", title=f"{day}: {count}")
            bar.style(f"height: {max(100 * count / most, 6):.0f}%")


def _agreement(pairs: list[PairAgreement]) -> None:
    if not pairs:
        text(
            "p",
            "No two people have reviewed the same sample blind. A queue with double review asks for it.",
            "soft",
        )
        return
    headings = [
        "People",
        "Samples",
        "Agree",
        "κ outcome",
        "κ anomalous",
        "Boxes of both",
        "Mean IoU",
        "Equal labels",
    ]
    with table("Agreement of each two people", headings, numbers=range(1, 8)):
        for pair in pairs:
            with row(" and ".join(pair.reviewers), pair.samples):
                text("td", f"{pair.agreed:.0%}", "number")
                _value(pair.kappa_outcome, "both always decide the same one thing")
                _value(
                    pair.kappa_anomalous, "both always say the same of the samples they keep, or keep none"
                )
                _value(pair.matched_boxes, "neither drew a box", percent=True)
                _value(pair.mean_iou, "no box of one matches a box of the other")
                _value(pair.equal_labels, "no box of one matches a box of the other", percent=True)
    text(
        "p",
        "κ is Cohen’s kappa: 1 for full agreement, 0 for what chance alone would give. "
        f"{UNDEFINED} stands where a figure is undefined; point at it to see why.",
        "fine",
    )


def _value(value: float | None, why: str, *, percent: bool = False) -> None:
    if value is None:
        with box("td", "number undefined", title=f"undefined: {why}"):
            text("span", UNDEFINED).props("aria-hidden=true")
            text("span", f"undefined: {why}", "unseen")
        return
    text("td", f"{value:.0%}" if percent else f"{value:.2f}", "number")
