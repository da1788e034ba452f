"""Home: the queues, how far they are, and making new ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from urllib.parse import quote

from nicegui import ui
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from mmrad.errors import UsageError
from mmrad.review.application import Application
from mmrad.review.criteria import Criteria
from mmrad.review.pages.choice import title_of
from mmrad.review.pages.new_queue import ask_for_queue, make_queue
from mmrad.review.pages.panel import count, facets
from mmrad.review.pages.parts import bar, box, button, card, cell, dialog, link, plural, table, text, told
from mmrad.review.pages.shell import require
from mmrad.review.records import Progress, Queue, Role, User
from mmrad.review.store import PersonProgress, Store


async def home(application: Application, request: Request) -> None:
    """Fill the page."""
    assert application.store is not None
    await _Home(application, application.store, application.person()).start()


@dataclass(frozen=True, slots=True)
class _State:
    """What the page shows."""

    queues: list[tuple[Queue, Progress]]
    mine: PersonProgress | None


def _read(store: Store, name: str) -> _State:
    queues = [(queue, store.progress(queue.key, name)) for queue in store.queues()]
    return _State(queues, next((person for person in store.people() if person.name == name), None))


def suggestions(application: Application) -> list[tuple[str, Criteria, int]]:
    """Choices of samples that are worth a queue: title, choice, and how many they are; no empty ones."""
    application.index.warm()  # else the texts would be missing in the counts
    known = facets(application, Criteria())
    failed = tuple(sorted(known.get("failed_check", ())))
    choices = [
        Criteria(),
        *(Criteria(findings=(name,)) for name in known.get("finding", ())),
        Criteria(teachers_disagree=True),
        *(Criteria(failed_checks=(name,)) for name in failed if len(failed) > 1),
        Criteria(runs_disagree=True),
        *(Criteria(run=name, verdicts=("wrong",)) for name in application.index.run_names),
        Criteria(statuses=("unsure",)),
    ]
    titled = [(title_of(criteria), criteria) for criteria in choices]
    if failed:
        titled.insert(1, ("Text not verified", Criteria(failed_checks=failed)))
    counted = [(title, criteria, _count_known(application, criteria)) for title, criteria in titled]
    return [found for found in counted if found[2]]


def _count_known(application: Application, criteria: Criteria) -> int:
    """How many samples have what is asked for; none where the corpus has no texts or runs to ask of."""
    try:
        return count(application, criteria)
    except UsageError:
        return 0


class _Home:
    """The parts of the page that change."""

    def __init__(self, application: Application, store: Store, person: User) -> None:
        self.application = application
        self.store = store
        self.person = person
        self.admin = person.role.allows(Role.ADMIN)
        self.today = box("div", "today")
        self.queues = box("div", "queues")

    async def start(self) -> None:
        """Fill the page."""
        await self.refresh()
        if self.admin:
            await self._suggest()

    async def refresh(self) -> None:
        """Show how the queues are now."""
        state = await run_in_threadpool(_read, self.store, self.person.name)
        self.today.clear()
        with self.today:
            _own_numbers(state.mine)
        self.queues.clear()
        with self.queues:
            if state.queues:
                self._table(state.queues)
            else:
                self._first()

    def _first(self) -> None:
        total = len(self.application.index)
        with box("div", "empty"):
            text("h2", "There is no queue yet")
            if not self.admin:
                text("p", "An admin makes one; until then you can look around under Explore.")
                return
            text("p", "A queue is a list of samples that people look at one after the other.")
            button(f"Review everything: {plural(total, 'sample')}", self._review_everything, "primary")

    async def _review_everything(self) -> None:
        require(self.application.person(), Role.ADMIN)
        queue = await run_in_threadpool(
            make_queue, self.application, "Everything", Criteria(), by=self.person.name
        )
        ui.navigate.to(f"/queue/{quote(queue.key)}")

    def _table(self, queues: list[tuple[Queue, Progress]]) -> None:
        headings = ["Queue", "Progress", "Samples", "Done", "Disputed", "By you", "Left for you", ""]
        with table("Queues", headings, numbers=range(2, 7)):
            for queue, progress in queues:
                self._row(queue, progress)

    def _row(self, queue: Queue, progress: Progress) -> None:
        with box("tr"):
            with box("th", scope="row"):
                text("span", queue.title, "name")
                if queue.needed > 1:
                    text("span", f"{queue.needed} people each, blind", "fine")
            share = progress.done / progress.size if progress.size else 0.0
            with cell("progress"):
                bar(share, f"{share:.0%} done")
                text("span", f"{share:.0%}", "fine")
            for value in (progress.size, progress.done):
                _number(value)
            if progress.disputed and self.admin:
                with cell("number"):
                    link(f"{progress.disputed:,}", self.application.url("/disputes"))
            else:
                _number(progress.disputed)
            for value in (progress.mine, progress.left):
                _number(value)
            with cell("act"):
                self._actions(queue, progress)

    def _actions(self, queue: Queue, progress: Progress) -> None:
        if progress.left and self.person.role.allows(Role.ANNOTATOR):
            verb = "Go on" if progress.mine else "Start"
            start = link(verb, self.application.url(f"/queue/{quote(queue.key)}"), "button primary")
            start.props["aria-label"] = f"{verb}: {queue.title}"
        if self.admin:
            more = button("", lambda: None, "quiet", icon="more_vert")
            more.props["aria-label"] = f"More for {queue.title}"
            with more, ui.menu():
                ui.menu_item("Assign…", told(partial(self._ask_assign, queue)))
                ui.menu_item("Remove…", told(partial(self._ask_remove, queue)))

    def _ask_assign(self, queue: Queue) -> None:
        names = sorted(user.name for user in self.store.users() if user.active)
        with dialog(f"Assign: {queue.title}") as asked:
            person = ui.input("Person", autocomplete=names)
            share = ui.number("How many (all when empty)", min=1, precision=0).props("clearable")
            text("p", "Takes the first samples that are nobody's yet.", "fine")

            async def assign() -> None:
                if not person.value:
                    raise UsageError("say to whom")
                await self._assign(queue, person.value.strip(), int(share.value) if share.value else None)
                asked.close()

            async def take_back() -> None:
                await self._assign(queue, None, None)
                asked.close()

            with box("div", "buttons"):
                button("Assign", assign, "primary")
                button("Take all back", take_back)

    async def _assign(self, queue: Queue, name: str | None, share: int | None) -> None:
        require(self.application.person(), Role.ADMIN)
        given = await run_in_threadpool(self.store.assign, queue.key, name, share)
        ui.notify(f"{plural(given, 'sample')} for {name or 'anybody'}")

    def _ask_remove(self, queue: Queue) -> None:
        with dialog(f"Remove: {queue.title}") as asked:
            text("p", "What was decided stays. The list of samples and who was to look at them goes.")

            async def remove() -> None:
                require(self.application.person(), Role.ADMIN)
                await run_in_threadpool(self.store.remove_queue, queue.key)
                asked.close()
                await self.refresh()

            with box("div", "buttons"):
                button("Remove the queue", remove, "danger")
                button("Cancel", asked.close)

    async def _suggest(self) -> None:
        with card("New queue"):
            text("p", "Take one of these, or choose samples yourself.", "soft")
            place = box("div", "suggestions")
            with place:
                ask = partial(ask_for_queue, self.application, Criteria())
                button("Choose samples…", ask, icon="tune")
        await ui.context.client.connected()
        found = await run_in_threadpool(suggestions, self.application)
        with place:
            for title, criteria, total in found:
                with button(title, partial(ask_for_queue, self.application, criteria)):
                    text("span", f"{total:,}", "count")


def _number(value: int) -> None:
    text("td", f"{value:,}", "number" if value else "number zero")


def _own_numbers(mine: PersonProgress | None) -> None:
    """What the person did today and in all; nothing before the first review."""
    if mine is None or not mine.reviews:
        return
    today = mine.days.get(datetime.now(UTC).date().isoformat(), 0)
    for value, name in (
        (f"{today:,}", "reviewed today"),
        (f"{mine.reviews:,}", "in all"),
        (f"{mine.seconds / mine.reviews:.1f} s", "each"),
    ):
        with box("div", "figure"):
            text("strong", value)
            text("span", name)
