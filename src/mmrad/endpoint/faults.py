"""What an error of an endpoint means: whether to try again, when, and what a person can do."""

from __future__ import annotations

import random

import aiohttp
import openai

from mmrad.endpoint.endpoint import Endpoint
from mmrad.endpoint.reply import shortened

_FIRST_PAUSE, _LONGEST_PAUSE, _LONGEST_NAMED = 0.5, 60.0, 600.0
"""Seconds before the first retry where the server names none, at most before any other, and at most that a
server may name."""

_FILTERED = ("content_filter", "content_policy_violation")
"""Codes of a 400 that is about the images, not about how they were sent."""


def passes(error: openai.APIError) -> bool:
    """Whether the same request may succeed later."""
    if isinstance(error, openai.RateLimitError):
        return not is_quota(error)
    if isinstance(error, openai.APIStatusError):
        return error.status_code in (408, 409) or error.status_code >= 500
    return isinstance(error, openai.APIConnectionError)


def is_of_server(error: openai.APIError) -> bool:
    """Whether another address of the same model may answer the same request at once.

    Not so for what the request itself causes (HTTP 400, 422), nor for a rate limit, which `Slots` handles.
    """
    if isinstance(error, openai.APIStatusError):
        return error.status_code >= 500 or error.status_code in (401, 403, 404)
    return True


def pause_after(error: openai.APIError, attempt: int) -> float:
    """Seconds before the next try: what the server says, or twice as long each time, spread out."""
    grown = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**attempt) * random.uniform(0.75, 1.25)
    if not isinstance(error, openai.APIStatusError):
        return grown
    try:
        named = float(error.response.headers.get("retry-after", ""))
    except ValueError:  # none, or a date
        return grown
    return min(_LONGEST_NAMED, named) if named >= 0 else grown


def is_filtered(error: openai.APIError) -> bool:
    """Whether the provider's content filter refused the request."""
    return getattr(error, "code", None) in _FILTERED


def is_quota(error: openai.APIError) -> bool:
    """Whether the money behind the key is used up, which no pause mends."""
    return isinstance(error, openai.RateLimitError) and error.code == "insufficient_quota"


def remedy(error: openai.APIError, endpoint: Endpoint) -> str | None:
    """What was found and what to do, when every other request would fail the same way; else None."""
    if isinstance(error, openai.AuthenticationError):
        return f"the endpoint does not accept the key (HTTP 401); set {endpoint.api_key_env} to a valid one"
    if isinstance(error, openai.PermissionDeniedError):
        return "the key may not use this model (HTTP 403); use another key or model"
    if isinstance(error, openai.NotFoundError):
        return "no such model or address (HTTP 404); check --model and the path of --base-url (often /v1)"
    if isinstance(error, openai.BadRequestError) and (error.code or "").startswith("unsupported_"):
        return f"the parameter {error.param!r} cannot be sent to this model; {shortened(error.message)}"
    if is_quota(error):
        return "the quota of this key is used up (HTTP 429, insufficient_quota); raise it or use another key"
    if cannot_connect(error):
        return "the endpoint cannot be reached; check that it runs, --base-url and the network"
    return None


def cannot_connect(error: openai.APIError) -> bool:
    """Whether nobody is there; a slow or cut answer is one request's trouble."""
    cause: BaseException | None = error
    while cause:  # the layer between calls every lost connection a ConnectTimeout
        if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return True
        cause = cause.__cause__
    return False


def described(error: openai.APIError) -> str:
    """An error in words."""
    cause = f" ({error.__cause__!r})" if isinstance(error, openai.APIConnectionError) else ""
    return f"{shortened(error.message)}{cause}"
