"""How every sample stands now: the decisions in the order of `reviews.jsonl`, kept level with the database.

A corpus is built and exported with the file, so its order is the one that counts, and the ledger shows what
is in it. The database lets several people and processes decide without losing anything. Whoever writes the
file holds its lock, and brings both level: what either lacks, as after a kill between the two writes or when
one of them was deleted, is copied from the other.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from filelock import FileLock

from mmrad.corpus.reviews import (
    FILE_NAME,
    Review,
    StaleReviewError,
    Standing,
    Status,
    applied,
    review_of_record,
    review_to_record,
    standing,
)
from mmrad.errors import DataError, UsageError
from mmrad.journal import Journal
from mmrad.review.store.store import Store
from mmrad.sample import Sample


class Ledger:
    """The decisions on a corpus, in memory.

    Args:
        store: The database; None to read `reviews.jsonl` only.
        folder: The corpus.

    Raises:
        DataError: When `reviews.jsonl` is damaged; the message names the line.
    """

    def __init__(self, store: Store | None, folder: Path) -> None:
        self._store = store
        self._path = folder / FILE_NAME
        self._file_lock = FileLock(
            folder / f".{FILE_NAME}.lock", timeout=60, thread_local=False, poll_interval=0.005
        )
        self._lock = threading.Lock()
        self._seq = 0  # the last decision known of the database
        self._inode = 0  # of the file that was read, and how many bytes and lines of it
        self._offset = 0
        self._line = 0
        self._forget()
        self.refresh()

    def refresh(self) -> None:
        """Take in what other processes decided, without waiting for a thread that is just doing so."""
        if not self._lock.locked():
            with self._alone():
                self._level()

    def standing(self, sample_id: str) -> Standing:
        """How a sample stands."""
        return standing(self.history(sample_id))

    def history(self, sample_id: str) -> tuple[Review, ...]:
        """All decisions on a sample, in the order they were made."""
        return self._histories.get(sample_id, ())

    def seen(self, sample_id: str, track: str) -> int:
        """How many decisions a track of a sample has, see `Review.track`."""
        return sum(review.track == track for review in self.history(sample_id))

    def sample(self, sample: Sample) -> Sample:
        """The sample with the regions that its reviews leave it; unchanged when dropped, or when none fit."""
        try:
            return applied(sample, self.history(sample.id)) or sample
        except StaleReviewError:
            return sample

    def statuses(self) -> Mapping[str, Status]:
        """How the samples stand on which somebody has decided; a copy."""
        return self._statuses.copy()

    def decide(self, review: Review, queue: str | None = None) -> None:
        """Store a decision for good; when this returns, it is on the disk in the database and in the file.

        Args:
            review: The decision; one whose id is stored already changes nothing.
            queue: Key of the queue in which it was made.

        Raises:
            ConflictError: When somebody decided since the reviewer looked; nothing is stored.
            UsageError: When there is no database.
        """
        if self._store is None:
            raise UsageError("decisions need a database; this application only shows")
        with self._alone():
            try:
                self._store.add_review(review, queue)
            finally:  # also after a conflict, with what the reviewer has not seen
                self._level()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread, and with a database no other process, decides in between."""
        lock = nullcontext() if self._store is None else self._file_lock
        try:
            with self._lock, lock:
                yield
        except OSError as error:
            raise DataError(f"{self._path}: cannot be read or written: {error.strerror or error}") from error

    def _level(self) -> None:
        """Copy what the file, the database or the memory lacks from the others."""
        self._read()
        if self._store is None:
            return
        stored = self._store.ids_since(self._seq)
        self._stored({name for _, name in stored})
        if self._unstored:
            self._store.add_reviews(self._unstored)
            self._unstored.clear()
        missing = [seq for seq, name in stored if name not in self._ids]
        if missing:
            self._write([review for _, review in self._store.reviews_since(missing[0] - 1)])
        if stored:
            self._seq = stored[-1][0]

    def _stored(self, ids: Collection[str]) -> None:
        """Note which decisions are in the database."""
        self._unstored[:] = [review for review in self._unstored if review.id not in ids]

    def _write(self, stored: Sequence[Review]) -> None:
        """Append those decisions of the database to the file that it lacks."""
        new = {review.id: review for review in stored if review.id not in self._ids}
        with Journal(self._path, group=len(new) + 1) as journal:  # which waits for the disk at its end
            for review in new.values():
                journal.append(review_to_record(review))
        self._read()
        self._stored(new)

    def _read(self) -> None:
        """Take in the lines of the file that are new, of it all when it is another file than before."""
        if not self._path.exists():
            self._forget()
            return
        with self._path.open("rb") as file:
            found = os.fstat(file.fileno())
            if found.st_ino != self._inode or found.st_size < self._offset:
                self._forget()
                self._inode = found.st_ino
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):  # torn, or just being written by somebody else
                    return
                self._take(self._parsed(line))
                self._offset += len(line)
                self._line += 1

    def _parsed(self, line: bytes) -> Review:
        try:
            return review_of_record(json.loads(line))
        except (ValueError, DataError) as error:
            raise DataError(
                f"{self._path}, line {self._line + 1}: {error}; restore the line or remove it"
            ) from error

    def _take(self, review: Review) -> None:
        """Count a decision, once."""
        if review.id in self._ids:
            return
        self._ids.add(review.id)
        self._unstored.append(review)
        history = (*self.history(review.sample_id), review)
        self._histories[review.sample_id] = history
        self._statuses[review.sample_id] = standing(history).status

    def _forget(self) -> None:
        """Begin anew, with nothing known."""
        self._histories: dict[str, tuple[Review, ...]] = {}
        self._statuses: dict[str, Status] = {}
        self._ids: set[str] = set()
        self._unstored: list[Review] = []  # in the file, and not known to be in the database
        self._seq = self._inode = self._offset = self._line = 0
