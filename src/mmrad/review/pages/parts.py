"""Pieces that several pages are made of; whatever comes from data is shown as text."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from inspect import isawaitable
from typing import Any, Literal

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from mmrad.errors import DataError, MmradError
from mmrad.review.log import report

Kind = Literal["plain", "primary", "quiet", "danger"]
Alignment = Literal["", "number"]


def text(tag: str, content: object, classes: str = "") -> TextElement:
    """An element with a text, which is never read as markup."""
    return TextElement(tag=tag, text=str(content)).classes(classes)


def box(tag: str, classes: str = "", **props: str) -> ui.element:
    """An element that others are put into with `with`; `props` are its attributes."""
    element = ui.element(tag).classes(classes)
    element.props.update({name.replace("_", "-"): value for name, value in props.items()})
    return element


def link(content: str, address: str, classes: str = "") -> TextElement:
    """A link to an address, which holds the prefix of the application already."""
    element = text("a", content, classes)
    element.props["href"] = address
    return element


def button(
    content: str, act: Callable[..., Any], kind: Kind = "plain", *, icon: str | None = None
) -> ui.button:
    """A button; an error that mmrad explains is told, see `told`."""
    return ui.button(content, on_click=told(act), color=None, icon=icon).classes(f"button {kind}")


def told(act: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
    """A handler of events that shows an error of mmrad as a notice."""

    @functools.wraps(act)
    async def handler(*arguments: Any) -> None:
        try:
            result = act(*arguments)
            if isawaitable(result):
                await result
        except MmradError as error:
            ui.notify(explained(error), type="negative", timeout=8000, close_button="Close")

    return handler


def explained(error: MmradError) -> str:
    """What a visitor is told of an error; of faults in files only a number in the log, as they name paths."""
    if isinstance(error, DataError):
        return f"a file or the database failed; the log of the server tells more about error {report(error)}"
    return str(error)


def notice(content: str, kind: Literal["info", "error"] = "info") -> None:
    """A sentence set apart from the rest; an error is read out at once."""
    text("p", content, f"notice {kind}").props(f"role={'alert' if kind == 'error' else 'status'}")


@contextmanager
def card(title: str = "", classes: str = "") -> Iterator[ui.element]:
    """A part of a page with a heading."""
    with box("section", f"card {classes}") as section:
        if title:
            text("h2", title)
        yield section


@contextmanager
def table(caption: str, headings: Sequence[str], *, numbers: Iterable[int] = ()) -> Iterator[None]:
    """A table, whose rows are made inside with `row`.

    Args:
        caption: What it shows, for those who do not see it.
        headings: One for each column; an empty one names the column of buttons.
        numbers: Columns of numbers.
    """
    aligned = set(numbers)
    with box("div", "scroll", tabindex="0", role="region", aria_label=caption), box("table"):
        text("caption", caption, "unseen")
        with box("thead"), box("tr"):
            for column, heading in enumerate(headings):
                if heading:
                    text("th", heading, "number" if column in aligned else "").props("scope=col")
                else:
                    text("td", "")
        with box("tbody"):
            yield


def row(*values: object) -> ui.element:
    """A row of a table: the first value heads it, numbers stand to the right.

    Returns:
        The row, into which further cells can be put.
    """
    with box("tr") as element:
        for column, value in enumerate(values):
            number = isinstance(value, int | float)
            shown = f"{value:,}" if isinstance(value, int) else value
            cell = text("td" if column else "th", shown, "number" if number else "")
            if not column:
                cell.props("scope=row")
    return element


@contextmanager
def cell(classes: str = "") -> Iterator[None]:
    """A cell that holds more than a text."""
    with box("td", classes):
        yield


def bar(share: float, name: str, *, classes: str = "") -> None:
    """How much of something is there, from 0 to 1, as a bar."""
    share = min(max(share, 0.0), 1.0)
    element = box("div", f"bar {classes}", role="img", aria_label=name)
    with element:
        box("span", "" if share else "zero").style(f"width: {100 * share:.2f}%")


@contextmanager
def dialog(title: str, *, wide: bool = False) -> Iterator[ui.dialog]:
    """A dialog with a heading and a button that closes it; it opens, and is gone when it is closed."""
    shown = ui.dialog(value=True)
    shown.on("hide", shown.delete)
    shown.props["aria-label"] = title
    with shown, box("div", "dialog wide" if wide else "dialog"):
        with box("div", "dialog-head"):
            text("h2", title)
            close = button("", shown.close, "quiet", icon="close")
            close.props["aria-label"] = "Close"
        yield shown


def plural(count: int, one: str, many: str = "") -> str:
    """A count with its noun, as `1 sample` or `3 samples`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
