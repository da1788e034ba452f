"""Messages as the JSON of chat completions."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from mmrad.prompt import Message
from mmrad.view import View

_PNG_URL = b"data:image/png;base64,"


def data_url(view: View) -> str:
    """A view as the data URL of a PNG file."""
    return _url_bytes(view).decode("ascii")


def to_openai(
    messages: Sequence[Message], *, system: bool = True, url_of: Callable[[View], str] = data_url
) -> list[dict[str, Any]]:
    """Messages as JSON: texts, and images by their URLs, in reading order.

    Args:
        messages: The conversation.
        system: Whether the model takes a system message; otherwise its text opens the first user message.
        url_of: The URL of a view.
    """
    if not system and len(messages) > 1 and messages[0].role == "system":
        first = messages[1]
        messages = [Message(first.role, (*messages[0].parts, *first.parts)), *messages[2:]]
    return [{"role": message.role, "content": _content(message.parts, url_of)} for message in messages]


def json_of(body_with: Callable[[Callable[[View], str]], Any]) -> bytes:
    """The JSON of a request, keys in order, images as data URLs.

    The images are put in afterwards: looking through a megabyte of base64 for characters to escape takes
    longer than all the rest of a request.

    Args:
        body_with: Makes the request, given what makes the URL of a view.
    """
    views: list[View] = []
    place = secrets.token_hex(16)  # nobody can have written it into a text

    def url_of(view: View) -> str:
        views.append(view)
        return place

    first, *others = json.dumps(body_with(url_of), sort_keys=True).encode().split(place.encode())
    pieces = [first]
    # With the keys sorted, lists keep their order: that of the views.
    for view, piece in zip(views, others, strict=True):
        pieces += (_url_bytes(view), piece)
    return b"".join(pieces)


def _content(parts: tuple[str | View, ...], url_of: Callable[[View], str]) -> str | list[dict[str, Any]]:
    match parts:
        case (str() as text,):
            return text  # some servers take no list in a system message
        case _:
            return [_part(part, url_of) for part in parts]


def _part(part: str | View, url_of: Callable[[View], str]) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": "image_url", "image_url": {"url": url_of(part)}}


def _url_bytes(view: View) -> bytes:
    return _PNG_URL + view.png_base64
