"""The desk: a sample beside its reference, where people draw, check and decide; it works in the browser."""

from __future__ import annotations

import hashlib
from typing import Any

from nicegui import ui
from starlette.requests import Request

from mmrad.errors import UsageError
from mmrad.review.application import Application
from mmrad.review.pages.shell import ASSETS, add_page
from mmrad.review.records import Queue, Role


class Desk(ui.element, component=ASSETS / "desk.js", esm={"mmrad-desk": str(ASSETS / "desk")}):
    """The desk in a page; everything else it asks the JSON routes for.

    Args:
        application: The application.
        queue: The queue to go through.
        start: Id of the only sample to show, without a queue.
        adjudicate: Whether to show what blind reviewers decided of it.
    """

    def __init__(
        self,
        application: Application,
        *,
        queue: Queue | None = None,
        start: str = "",
        adjudicate: bool = False,
    ) -> None:
        super().__init__()
        person = application.person()
        shown = {"key": queue.key, "title": queue.title} if queue else None
        self._props.update(
            base=application.url(""),
            csrf=application.csrf(),
            who=f"{_place(application)}/{person.name}",
            decides=not application.read_only and person.role.allows(Role.ANNOTATOR),
            queue=shown,
            start=start,
            adjudicate=adjudicate,
            segments=application.assist.can_segment,
        )


_STYLE = f"<style>{(ASSETS / 'desk' / 'desk.css').read_text('utf-8')}</style>"


def add_desk_page(application: Application) -> None:
    """Add the desk for a queue, and for one sample."""
    add_page(application, "/queue/{key}", "Desk", _queue_page, full=True)
    add_page(application, "/sample", "Desk", _sample_page, full=True)


async def _queue_page(application: Application, request: Request) -> None:
    if application.store is None:
        raise UsageError("there are no queues here: mmrad view only shows")
    _show(application, queue=application.store.queue(request.path_params["key"]))


async def _sample_page(application: Application, request: Request) -> None:
    sample = application.index.sample(request.query_params.get("id", ""))
    _show(application, start=sample.id, adjudicate=request.query_params.get("adjudicate") == "1")


def _show(application: Application, **shown: Any) -> None:
    ui.add_head_html(_STYLE)
    Desk(application, **shown)


def _place(application: Application) -> str:
    """Tells corpora apart that are served at one address in turn: what is unsent belongs to one."""
    return hashlib.sha256(str(application.corpus.path.resolve()).encode()).hexdigest()[:12]
