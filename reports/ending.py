"""Ends of commands with one sentence and an exit code of the table in `docs/operating.md`."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from reports import texts

FAILED = 1
BAD_USAGE = 64
NO_INPUT = 66
UNAVAILABLE = 69
FAULT = 70
ADDRESS_IN_USE = 71
CANNOT_CREATE = 73
NO_SANDBOX = 77
NOT_CONFIGURED = 78


def end(sentence: str, code: int) -> NoReturn:
    """Ends the command with a sentence on standard error.

    Args:
        sentence: the sentence.
        code: exit code.
    """
    print(f"meshwg: {texts.one_line(sentence)}", file=sys.stderr)
    raise typer.Exit(code)
