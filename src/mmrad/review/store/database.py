"""The connection to the review database: SQLite beside the corpus, or PostgreSQL."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text, update
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

from mmrad.errors import DataError, UsageError
from mmrad.review.store.models import CounterRow

BUSY = 60.0
"""Seconds for which a process waits until another one has written."""

MIGRATING = 0x6D6D726164
"""Which lock of PostgreSQL a process holds while it migrates; any number that is always the same."""


class Database:
    """One database, used by many threads at once.

    Args:
        url: `sqlite:////path/to/file`, or `postgresql://user:password@host/name`.

    Raises:
        DataError: When it cannot be opened, or a newer mmrad made it.
        UsageError: When the URL is none, or is for another kind of database.
    """

    def __init__(self, url: str) -> None:
        address = _address(url)
        self.name = _shown(address)
        self._engine = _engine(address)
        # Begun as writing: who reads first and writes later would find that another has written in between.
        self._writer = self._engine.execution_options(writes=True)
        # Threads of this process queue here, which is fair and at once; SQLite itself would let them poll.
        self._turn: AbstractContextManager[Any] = (
            threading.Lock() if address.get_backend_name() == "sqlite" else nullcontext()
        )
        try:
            with self._writer.begin() as connection:
                _migrate(connection, self.name)
        except SQLAlchemyError as error:
            self.close()
            raise DataError(f"{self.name}: cannot open the database: {_cause(error)}") from None
        except DataError:
            self.close()
            raise

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with self._explained(), Session(self._engine) as session:
            yield session

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        """A transaction: all of it is stored at the end, or nothing."""
        with (
            self._explained(),
            self._turn,
            Session(self._writer, autoflush=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise DataError(f"{self.name}: the database failed: {_cause(error)}") from error


def next_seq(session: Session, count: int = 1) -> int:
    """The last of the next `count` numbers of decisions; others who ask wait until this transaction ends."""
    taken = update(CounterRow).values(seq=CounterRow.seq + count).returning(CounterRow.seq)
    return session.execute(taken).scalar_one()


def migrations(connection: Connection) -> Config:
    """Alembic's configuration for a connection."""
    config = Config(attributes={"connection": connection})
    folder = str(Path(__file__).with_name("migrations"))
    config.set_main_option("script_location", folder.replace("%", "%%"))
    return config


def _migrate(connection: Connection, name: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATING})"))
    config = migrations(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    found = set(MigrationContext.configure(connection).get_current_heads())
    if found - known:
        raise DataError(
            f"{name}: the database was made by a newer mmrad (its schema is {', '.join(found)}); "
            "upgrade mmrad, or name another database"
        )
    command.upgrade(config, "head")


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise _unreadable() from None
    if address.drivername == "sqlite" and address.database not in (None, ":memory:") and not address.query:
        return address
    if address.drivername not in ("postgresql", "postgresql+psycopg"):
        raise UsageError("a database URL is sqlite:/// and the path of a file, or begins with postgresql://")
    if "@" in (address.host or ""):
        raise _unreadable()  # what follows an @ in the password was taken for the host
    return address.set(drivername="postgresql+psycopg")


def _unreadable() -> UsageError:
    """The error for a URL that is none; it does not show it, since there may be a password in it."""
    return UsageError(
        "the database URL cannot be read; it looks like sqlite:////path/to/file or "
        "postgresql://user:password@host/name, with an @ in the password written as %40"
    )


def _shown(address: URL) -> str:
    """The URL without anything that may be a secret."""
    return address.set(query={}).render_as_string(hide_password=True)


def _engine(address: URL) -> Engine:
    if address.get_backend_name() == "sqlite":
        _make_private(Path(address.database or ""))
        engine = create_engine(
            address,
            hide_parameters=True,
            pool_size=20,
            connect_args={"timeout": BUSY, "isolation_level": None},
        )
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)
        return engine
    return create_engine(
        address,
        hide_parameters=True,
        pool_size=10,
        max_overflow=10,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
    )


def _make_private(path: Path) -> None:
    """Make a new file that only its owner can read: there will be hashes of passwords in it."""
    with suppress(OSError):  # SQLite says what is wrong
        path.touch(0o600)


def _set_up(connection: sqlite3.Connection, _: object) -> None:
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes: Any = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _cause(error: SQLAlchemyError) -> str:
    """The first line of what the database itself said."""
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
