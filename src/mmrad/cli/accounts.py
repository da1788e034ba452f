"""`mmrad accounts`."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from mmrad.cli.options import CorpusArgument, JsonOption
from mmrad.cli.review import DatabaseOption, database_url, web_extra
from mmrad.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from mmrad.review.store.store import Store

app = typer.Typer(
    help="Who may log in to `mmrad review`: viewers look, annotators decide, admins do everything.",
    no_args_is_help=True,
)


class RoleName(Enum):
    """Values of a role, see `mmrad.review.records.Role`."""

    VIEWER = "viewer"
    ANNOTATOR = "annotator"
    ADMIN = "admin"


NameArgument = Annotated[str, typer.Argument(help="Name of the account.")]


@app.command("add")
def add(
    corpus: CorpusArgument,
    name: NameArgument,
    role: Annotated[RoleName, typer.Option(help="What the person may do.")] = RoleName.ANNOTATOR,
    database: DatabaseOption = None,
) -> None:
    """Make an account; the password is asked for, or read from standard input.

    Example:  mmrad accounts add corpus ann --role admin
    """
    from mmrad.review.records import Role

    with _store(corpus, database) as store:
        store.add_user(name, _password(name), Role(role.value))
    typer.echo(f"{name} may log in as {role.value}")


@app.command("list")
def list_(corpus: CorpusArgument, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Show all accounts.

    Example:  mmrad accounts list corpus
    """
    with _store(corpus, database) as store:
        users = store.users()
    if as_json:
        rows = [{"name": user.name, "role": user.role, "active": user.active} for user in users]
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table("name", "role", "may log in")
    for user in users:
        table.add_row(user.name, user.role, "yes" if user.active else "no")
    Console().print(table)


@app.command("remove")
def remove(corpus: CorpusArgument, name: NameArgument, database: DatabaseOption = None) -> None:
    """Close an account at once; what the person decided stays, under the name.

    Example:  mmrad accounts remove corpus ann
    """
    with _store(corpus, database) as store:
        store.set_active(name, False)
    typer.echo(f"{name} may not log in any more; a new password opens the account again")


@app.command("password")
def password(corpus: CorpusArgument, name: NameArgument, database: DatabaseOption = None) -> None:
    """Set a new password, asked for or read from standard input; old logins end.

    Example:  mmrad accounts password corpus ann
    """
    with _store(corpus, database) as store:
        store.set_password(name, _password(name))
        store.set_active(name, True)
    typer.echo(f"{name} has a new password and may log in")


@app.command("role")
def role(
    corpus: CorpusArgument,
    name: NameArgument,
    new: Annotated[RoleName, typer.Argument(metavar="ROLE", help="viewer, annotator or admin.")],
    database: DatabaseOption = None,
) -> None:
    """Change what a person may do.

    Example:  mmrad accounts role corpus ann admin
    """
    from mmrad.review.records import Role

    with _store(corpus, database) as store:
        store.set_role(name, Role(new.value))
    typer.echo(f"{name} is {new.value} now")


@contextmanager
def _store(corpus: Path, database: str | None) -> Iterator[Store]:
    """The database of a corpus."""
    from mmrad.corpus import Corpus

    with web_extra():
        from mmrad.review.store.store import Store
    opened = Store(database_url(Corpus(corpus).path, database))
    try:
        yield opened
    finally:
        opened.close()


def _password(name: str) -> str:
    """A new password: never an argument, which every user of the machine could read."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    given = getpass.getpass(f"New password of {name}: ")
    if getpass.getpass("Once more: ") != given:
        raise UsageError("the passwords differ; nothing was changed")
    return given
