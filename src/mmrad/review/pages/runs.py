"""Runs: what one says over the truth, and two compared sample by sample."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from nicegui import ui
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from mmrad.errors import UsageError
from mmrad.review.application import Application
from mmrad.review.criteria import Criteria, Verdict
from mmrad.review.pages.choice import VERDICT_NAMES
from mmrad.review.pages.grid import Grid, samples_of
from mmrad.review.pages.panel import count
from mmrad.review.pages.parts import box, text, told
from mmrad.review.pages.viewer import show_sample

ANSWERED: tuple[Verdict, ...] = ("right", "missed", "false_alarm", "unanswered")
RIGHT: tuple[Verdict, ...] = ("right",)
NOT_RIGHT: tuple[Verdict, ...] = ("wrong", "unanswered")


async def runs(application: Application, request: Request) -> None:
    """Fill the page."""
    await _Runs(application, request.query_params).show()


class _Runs:
    """The runs that are chosen, the counts, and the grid."""

    def __init__(self, application: Application, query: Mapping[str, str]) -> None:
        self.application = application
        names = application.index.run_names
        self.first = query.get("run", names[0])
        self.second = query.get("against") or None
        for name in filter(None, (self.first, self.second)):
            if name not in names:
                raise UsageError(f"there is no run {name!r}; there are {', '.join(names)}")
        self.kind = query.get("kind", "")
        with box("div", "runs"):
            with box("div", "above"):
                self._draw_choice(names)
                self.counts = box("div", "segments", role="group", aria_label="Samples")
            self.grid = Grid(application, self._source(), on_opened=self.opened)

    def _draw_choice(self, names: list[str]) -> None:
        first = ui.select(names, label="Run", value=self.first)
        first.on_value_change(told(lambda event: self.choose(first=event.value)))
        others: dict[str | None, str] = {None: "the truth alone"} | {name: name for name in names}
        second = ui.select(others, label="Compared with", value=self.second)
        second.on_value_change(told(lambda event: self.choose(second=event.value)))

    async def choose(self, **chosen: str | None) -> None:
        """Show other runs, or other samples."""
        for name, value in chosen.items():
            setattr(self, name, value)
        if "kind" not in chosen:
            self.kind = ""
        query = {"run": self.first, "against": self.second, "kind": self.kind}
        address = urlencode({name: value for name, value in query.items() if value})
        ui.navigate.history.replace(f"{self.application.url('/runs')}?{address}")
        self.grid.show(self._source())
        await self.show()

    async def show(self) -> None:
        """Show the counts."""
        counts = await run_in_threadpool(self._counted)
        self.counts.clear()
        with self.counts:
            for kind, (name, _) in self._choices().items():
                self._segment(kind, name, counts[kind], counts[""])

    def _segment(self, kind: str, name: str, count: int, total: int) -> None:
        with box("button", "segment", type="button", aria_pressed=str(kind == self.kind).lower()) as segment:
            if kind:
                box("span", f"dot {kind}", aria_hidden="true")
            text("span", name)
            text("strong", f"{count:,}")
            if kind and total:
                text("span", f"{count / total:.1%}", "fine")
        segment.on("click", told(lambda: self.choose(kind=kind)))

    def _choices(self) -> dict[str, tuple[str, Criteria]]:
        """What can be chosen, by the word for it in the address: a name, and the samples that it means."""
        one, other = self.first, self.second
        if other is None:
            return {
                "": ("All", Criteria(run=one, verdicts=ANSWERED)),
                **{
                    kind: (VERDICT_NAMES[kind].capitalize(), Criteria(run=one, verdicts=(kind,)))
                    for kind in ANSWERED
                },
            }

        def both(ours: tuple[Verdict, ...], theirs: tuple[Verdict, ...]) -> Criteria:
            return Criteria(run=one, verdicts=ours, against=other, against_verdicts=theirs)

        return {
            "": ("All", both(ANSWERED, ANSWERED)),
            "both": ("Both right", both(RIGHT, RIGHT)),
            "first": (f"Only {one}", both(RIGHT, NOT_RIGHT)),
            "second": (f"Only {other}", both(NOT_RIGHT, RIGHT)),
            "neither": ("Neither", both(NOT_RIGHT, NOT_RIGHT)),
        }

    def _counted(self) -> dict[str, int]:
        return {kind: count(self.application, criteria) for kind, (_, criteria) in self._choices().items()}

    def _source(self) -> str:
        choices = self._choices()
        return samples_of(choices.get(self.kind, choices[""])[1])

    async def opened(self, sample_id: str) -> None:
        """Show a sample large, with what the runs say."""
        await show_sample(self.application, sample_id, self.first, self.second)
