"""The pages of the review application."""

from __future__ import annotations

from nicegui import app, ui
from starlette.responses import RedirectResponse

from mmrad.review.application import Application
from mmrad.review.pages.desk import add_desk_page
from mmrad.review.pages.disputes import disputes
from mmrad.review.pages.explore import explore
from mmrad.review.pages.home import home
from mmrad.review.pages.people import people
from mmrad.review.pages.runs import runs
from mmrad.review.pages.shell import add_page
from mmrad.review.pages.statistics import statistics
from mmrad.review.records import Role


def add_pages(application: Application) -> None:
    """Add all pages to the application."""
    ui.input.default_props("dense outlined stack-label")
    ui.number.default_props("dense outlined stack-label")
    ui.select.default_props("dense outlined stack-label options-dense")
    ui.checkbox.default_props("dense")
    add_page(application, "/explore", "Explore", explore, full=True)
    add_page(application, "/statistics", "Statistics", statistics)
    if application.index.run_names:
        add_page(application, "/runs", "Runs", runs, full=True)
    if application.store is None:
        app.add_api_route("/", lambda: RedirectResponse(application.url("/explore")), response_model=None)
        return
    add_page(application, "/", "Queues", home)
    add_page(application, "/people", "People", people)
    add_page(application, "/disputes", "Disputes", disputes, needs=Role.ADMIN)
    add_desk_page(application)
