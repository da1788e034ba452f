"""Teachers behind a test server: they read the hints of the prompt and obey, or lie."""

from __future__ import annotations

import re
from typing import Any

from mmrad.answer import Instance, render
from mmrad.box import Box
from servers import Call, says

_HINT = re.compile(r"\(\[(\d+), (\d+), (\d+), (\d+)\], '([^']*)'\)")


def hinted_in(body: dict[str, Any]) -> list[Instance]:
    """What the prompt in the body of a request tells the teacher."""
    task = body["messages"][1]["content"][-1]["text"]
    return [Instance(Box(*map(int, found[:4])), found[4]) for found in _HINT.findall(task)]


def hinted(call: Call) -> list[Instance]:
    return hinted_in(call.body)


def good_text(places: list[Instance]) -> str:
    """A text that passes verification."""
    if not places:
        return render("Both images show the same part; edges and surfaces agree everywhere.", ())
    named = " and ".join(f"a {place.label} at {list(place.box.rounded())}" for place in places)
    return render(f"Compared with the first image, the second one shows {named}.", places)


def obeys(call: Call) -> None:
    """A text that is right."""
    says(good_text(hinted(call)))(call)


def lies(call: Call) -> None:
    """A text with the opposite verdict."""
    says(good_text([] if hinted(call) else [Instance(Box(0, 0, 10, 10), "dent")]))(call)
