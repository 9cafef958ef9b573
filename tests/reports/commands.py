"""The command ``transcript`` in this process."""

from __future__ import annotations

from typer.testing import CliRunner, Result

from reports import cli


def transcript(*arguments: object) -> Result:
    """Runs ``transcript …``; an exception is a bug of it."""
    done = CliRunner().invoke(cli.transcript, list(map(str, arguments)))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done
