"""What the server logs of errors: what they are and where, not what they say, which may be private data."""

from __future__ import annotations

import logging
import secrets
import traceback
from types import TracebackType

log = logging.getLogger("mmrad.review")


def report(error: BaseException) -> str:
    """Log an error.

    Returns:
        The number it has in the log.
    """
    number = secrets.token_hex(4)
    log.error("error %s", number, exc_info=error)
    return number


class PlainFormatter(logging.Formatter):
    """Tells of errors what they are and where they happened, not what they say: that may be user data."""

    def format(self, record: logging.LogRecord) -> str:
        """A line, and what there is of an error; NiceGUI logs errors themselves as messages."""
        if isinstance(record.msg, BaseException):
            record.msg = type(record.msg).__name__
        return super().format(record)

    def formatException(  # noqa: N802 - the name is logging's
        self, info: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """The types of an error and of its causes, each with its frames."""
        told: list[str] = []
        error: BaseException | None = info[1]
        while error is not None:
            frames = "".join(traceback.format_tb(error.__traceback__))
            told.insert(0, f"{frames}{type(error).__module__}.{type(error).__qualname__}")
            error = error.__cause__ or error.__context__
        return "\n".join(told)
