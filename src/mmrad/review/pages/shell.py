"""What stands around every page: header, navigation, the person, light and dark; and how a page is added."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nicegui import ui
from starlette.requests import Request

from mmrad.errors import MmradError, UsageError
from mmrad.review.application import Application
from mmrad.review.pages.parts import box, explained, link, notice, text
from mmrad.review.records import Role, User

ASSETS = Path(__file__).parent.parent / "assets"
THEME_COOKIE = "mmrad-theme"
"""Holds `light` or `dark`; without it the browser's own setting decides."""

Build = Callable[["Application", Request], Awaitable[None]]


def add_page(
    application: Application,
    path: str,
    title: str,
    build: Build,
    *,
    needs: Role = Role.VIEWER,
    full: bool = False,
) -> None:
    """Add a page to the application.

    Args:
        application: The application.
        path: Its address, which begins with `/`.
        title: Its heading.
        build: Fills it; an error of mmrad is shown in its place.
        needs: What its visitor must be allowed to.
        full: Whether it fills the window and does not scroll as a whole.
    """

    @ui.page(path, title=f"{title} · mmrad", dark=None)
    async def page(request: Request) -> None:
        with frame(application, title, request, full=full):
            try:
                require(application.person(), needs)
                await build(application, request)
            except MmradError as error:
                notice(explained(error), "error")


def require(person: User, needs: Role) -> None:
    """Refuse somebody who may not do something.

    Raises:
        UsageError: When the person's role does not allow it.
    """
    if not person.role.allows(needs):
        raise UsageError(f"this needs the role {needs}; you are {person.role}: ask an admin")


@contextmanager
def frame(application: Application, title: str, request: Request, *, full: bool = False) -> Iterator[None]:
    """Header, navigation and heading of a page; the page itself is made inside.

    Args:
        application: The application.
        title: Its heading.
        request: What was asked for; knows the place in the navigation and the colours.
        full: Whether the page fills the window and does not scroll as a whole.
    """
    theme = request.cookies.get(THEME_COOKIE, "")
    ui.add_head_html(_EARLY.get(theme, _EARLY_AUTO) + _STYLE)
    content = ui.context.client.content.classes("full" if full else "page")
    with ui.header(fixed=True, wrap=False).classes("top"):
        _brand(application)
        _navigation(application, request.scope["nicegui_page_path"])
        _theme_switch(application, theme)
        _person(application)
    ui.skip_link(target=content)
    with content:
        text("h1", title)
        yield


# Not by `ui.add_css`, which takes a script that the content security policy refuses.
_STYLE = f"<style>{(ASSETS / 'review.css').read_text('utf-8')}</style>"

# The colour of an empty window until the style sheet is there.
_EARLY_AUTO = "<style>@media (prefers-color-scheme: dark) { html { background: #131416 } }</style>"
_EARLY = {"dark": "<style>html { background: #131416 }</style>", "light": ""}


def _brand(application: Application) -> None:
    with link("", application.url("/"), "brand"):
        text("span", "mmrad")
        text("span", application.corpus.path.resolve().name, "brand-corpus")


def _navigation(application: Application, current: str) -> None:
    with box("nav", "places", aria_label="Pages"):
        for path, title in places(application):
            place = link(title, application.url(path))
            if path == current:
                place.props["aria-current"] = "page"


def places(application: Application) -> list[tuple[str, str]]:
    """The pages that the person can go to: path and title."""
    person = application.person()
    pages = [("/explore", "Explore"), ("/statistics", "Statistics")]
    if application.index.run_names:
        pages.append(("/runs", "Runs"))
    if application.store:
        pages = [("/", "Queues"), *pages, ("/people", "People")]
        if person.role.allows(Role.ADMIN):
            pages.append(("/disputes", "Disputes"))
    return pages


def _theme_switch(application: Application, theme: str) -> None:
    mode = ui.dark_mode({"dark": True, "light": False}.get(theme))

    def switch(event: Any) -> None:
        mode.value = not event.args
        cookie = f"{THEME_COOKIE}={'dark' if mode.value else 'light'}"
        path = application.url("/")
        ui.run_javascript(f"document.cookie = '{cookie}; path={path}; max-age=31536000; samesite=lax'")

    with ui.button(color=None, icon="contrast").classes("button quiet theme") as button:
        button.props["aria-label"] = "Light or dark"
    # The server does not know what the browser's own setting is.
    button.on("click", switch, js_handler="() => emit(document.body.classList.contains('body--dark'))")


def _person(application: Application) -> None:
    person = application.person()
    with box("div", "person"):
        text("span", person.name, "person-name")
        text("span", person.role, "person-role")
    if application.access.accounts:
        with box("form", "", method="post", action=application.url("/logout")):
            box("input", "", type="hidden", name="csrf", value=application.csrf())
            with box("button", "button quiet", type="submit"):
                text("span", "Log out")
