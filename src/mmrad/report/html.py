"""Pages from the templates of this package: self-contained, all text shown as text."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def asset(name: str) -> str:
    """The text of a file of this package."""
    return files("mmrad.report").joinpath(name).read_text("utf-8")


def scripts(*names: str) -> tuple[Markup, str]:
    """Several scripts as one, and its hash for the page's Content-Security-Policy."""
    text = "\n".join(asset(name) for name in names)
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return Markup(text), base64.b64encode(digest).decode("ascii")


def json_in_html(data: object) -> Markup:
    """JSON that can stand inside a script element: nothing in it can end the element or open a comment."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Models do write lone surrogates, which no file can hold.
    text = text.encode("utf-8", "replace").decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def render(template: str, *, styles: Sequence[str] = (), **values: Any) -> str:
    """A page; whatever it is given is escaped, and the style sheets are `style`.

    Args:
        template: Name of the template.
        styles: Style sheets of its own, after the common one.
        values: What it shows; one that it misses is an error.
    """
    environment = Environment(
        loader=PackageLoader("mmrad.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = Markup("\n".join(asset(name) for name in ("report.css", *styles)))
    return environment.get_template(template).render(style=style, **values)
