"""Pages from the templates of this package: self-contained, all text shown as text."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def asset(name: str) -> str:
    """The text of a file of this package."""
    return files("mmrad.report").joinpath(name).read_text("utf-8")


def render(template: str, **values: Any) -> str:
    """A page; whatever it is given is escaped, and the common style sheet is `style`.

    Args:
        template: Name of the template.
        values: What it shows; one that it misses is an error.
    """
    environment = Environment(
        loader=PackageLoader("mmrad.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(style=Markup(asset("report.css")), **values)
