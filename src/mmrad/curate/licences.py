"""What the licences of the sources allow and ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Terms:
    """What a licence says, as far as a corpus is concerned.

    Attributes:
        commercial: Whether data may be used commercially.
        duties: What whoever passes the corpus on must do.
    """

    commercial: bool
    duties: tuple[str, ...]


_CREDIT = "name the authors of the data and link the licence"
_CHANGES = "say what was changed"
_ALIKE = "pass adapted data on under the same licence"
_ALONE = "use it for no commercial purpose"

_TERMS = {
    "CC0-1.0": Terms(True, ()),
    "CC BY 4.0": Terms(True, (_CREDIT, _CHANGES)),
    "CC-BY-4.0": Terms(True, (_CREDIT, _CHANGES)),
    "CC BY-SA 4.0": Terms(True, (_CREDIT, _CHANGES, _ALIKE)),
    "CC BY-NC-SA 4.0": Terms(False, (_CREDIT, _CHANGES, _ALIKE, _ALONE)),
    "MIT": Terms(True, ("keep the copyright notice and the text of the licence",)),
    "Apache-2.0": Terms(True, ("keep the notices and the text of the licence", _CHANGES)),
    "GPL-3.0": Terms(True, ("pass it on under GPL-3.0, with the text of the licence", _CHANGES)),
    "your own": Terms(True, ()),
}
"""Terms by name, in the spelling of the adapters; from the texts of the licences."""

_UNKNOWN = Terms(False, ("ask the authors: nobody states a licence that allows more than research",))


def terms(licence: str) -> Terms:
    """The terms of a licence; one that is not known allows nothing commercial.

    Args:
        licence: Its name, as a source or a file `mmrad.toml` states it.
    """
    return _TERMS.get(licence, _UNKNOWN)
