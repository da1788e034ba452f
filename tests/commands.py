"""Running commands of the command line in this process."""

from __future__ import annotations

from typer.testing import CliRunner

from mmrad.cli import app


def run(*arguments: object) -> str:
    """What a command writes to standard output; what it raises for its user is raised here."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout
