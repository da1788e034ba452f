"""Making a queue: which samples, in which order, how many people look at each, who gets them."""

from __future__ import annotations

from nicegui import ui
from starlette.concurrency import run_in_threadpool

from mmrad.errors import UsageError
from mmrad.review.application import Application
from mmrad.review.criteria import Criteria
from mmrad.review.pages.choice import title_of
from mmrad.review.pages.panel import Panel, count
from mmrad.review.pages.parts import box, button, dialog, plural, text
from mmrad.review.pages.shell import require
from mmrad.review.records import Queue, Role


async def ask_for_queue(application: Application, criteria: Criteria) -> None:
    """Open the dialog that makes a queue.

    Args:
        application: The application.
        criteria: The choice of samples to begin with.
    """
    await _Dialog(application, criteria).start()


def make_queue(
    application: Application, title: str, criteria: Criteria, *, needed: int = 1, by: str
) -> Queue:
    """Make a queue of the samples that have what is asked for now.

    Raises:
        UsageError: When no sample has.
    """
    index = application.index
    rows = index.select(criteria, application.ledger.statuses())
    if not len(rows):
        raise UsageError("no sample is like this; choose more")
    assert application.store is not None
    ids = [index.ids[row] for row in rows]
    return application.store.add_queue(title, criteria, ids, needed=needed, by=by)


class _Dialog:
    """The fields, and the choice of samples."""

    def __init__(self, application: Application, criteria: Criteria) -> None:
        self.application = application
        self._titled = True  # whether the title still follows the choice
        with dialog("New queue", wide=True) as self.dialog, box("div", "new-queue"):
            with box("div", "new-queue-choice"):
                text("h3", "Samples")
                self.panel = Panel(application, criteria, self.choose)
            with box("div", "new-queue-form"):
                self._draw_form(title_of(criteria))

    def _draw_form(self, title: str) -> None:
        self.count = text("p", "", "count-large").props("role=status")
        self.title = ui.input("Title", value=title).on("keydown", self._keep_title)
        self.limit = ui.number("At most (all when empty)", min=1, precision=0).props("clearable")
        self.double = ui.checkbox("Double review: two people each, who do not see each other's decisions")
        self.person = ui.input("Assign to (anybody when empty)", autocomplete=self._names())
        self.share = ui.number("How many of them (all when empty)", min=1, precision=0).props("clearable")
        self.share.bind_visibility_from(self.person, "value")
        with box("div", "buttons"):
            button("Make the queue", self.make, "primary")
            button("Cancel", self.dialog.close)

    def _names(self) -> list[str]:
        assert self.application.store is not None
        return sorted({user.name for user in self.application.store.users() if user.active})

    def _keep_title(self) -> None:
        self._titled = False

    async def start(self) -> None:
        """Show the dialog."""
        await self.panel.show(self.panel.criteria)
        await self.choose(self.panel.criteria)

    async def choose(self, criteria: Criteria) -> None:
        """Show how many samples there are, and a title that says which."""
        if self._titled:
            self.title.value = title_of(criteria)
        total = await run_in_threadpool(count, self.application, criteria)
        if criteria == self.panel.criteria:
            self.count.text = plural(total, "sample")

    async def make(self) -> None:
        """Make the queue and go to the page of queues."""
        person, store = self.application.person(), self.application.store
        require(person, Role.ADMIN)
        assert store is not None
        limit = int(self.limit.value) if self.limit.value else None
        criteria = self.panel.criteria.model_copy(update={"limit": limit})
        title = self.title.value.strip() or title_of(criteria)
        needed = 2 if self.double.value else 1
        queue = await run_in_threadpool(
            make_queue, self.application, title, criteria, needed=needed, by=person.name
        )
        if self.person.value:
            share = int(self.share.value) if self.share.value else None
            await run_in_threadpool(store.assign, queue.key, self.person.value.strip(), share)
        ui.navigate.to("/")
