"""The errors that mmrad raises for its users.

    MmradError            anything mmrad explains: the message says what was found, where, and what to do
    ├── DataError         a file, folder, corpus or image is missing, unreadable or contradicts itself
    ├── UsageError        the call asks for something that does not exist or does not fit together
    ├── MissingExtraError an optional dependency is not installed
    ├── ProviderError     a model or an endpoint failed
    ├── TrainingError     a training cannot go on
    └── BudgetReached     a cap on money leaves queries unasked

A failed *answer* is no error but a value: see `mmrad.sample.Status`.
"""


class MmradError(Exception):
    """Base of all errors whose message is written for the user."""


class DataError(MmradError):
    """A file, folder, corpus or image is missing, unreadable or contradicts itself."""


class UsageError(MmradError):
    """The call asks for something that does not exist or does not fit together."""


class MissingExtraError(MmradError):
    """An optional dependency is needed and not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"the package {package!r} is not installed: run  pip install 'mmrad[{extra}]'")


class ProviderError(MmradError):
    """A model could not be loaded or an endpoint could not be reached."""


class TrainingError(MmradError):
    """A training cannot go on: its loss is no number, or a checkpoint cannot be written."""


class BudgetReached(MmradError):  # noqa: N818 - it ends the asking; what was answered is right and kept
    """A cap on money leaves queries unasked; what was begun is in, and a later call asks the others."""
