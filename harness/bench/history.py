"""History of the bench: one line of JSON for each run."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.bench.goals import GoalRow


class Unreadable(Exception):
    """A file is missing, or has something else in it; the text says which."""


class Run(msgspec.Struct, frozen=True):
    """A run of the bench.

    Attributes:
        at: its begin in UTC, as 2026-01-31T12:00Z.
        profile: quick or full.
        environment: versions and properties of the machine.
        rows: rows that were measured.
    """

    at: str
    profile: str
    environment: dict[str, str | int]
    rows: list[GoalRow]


_RUN = msgspec.json.Decoder(Run)
_ROWS = msgspec.json.Decoder(list[GoalRow])


def append(path: Path, run: Run) -> None:
    """Adds a run to a history, which need not exist.

    Raises:
        OSError: the file can't be written.
    """
    with path.open("ab") as file:
        file.write(msgspec.json.encode(run) + b"\n")


def load(path: Path) -> list[Run]:
    """Reads a history.

    Raises:
        Unreadable: it is none.
    """
    try:
        return [_RUN.decode(line) for line in _bytes(path).splitlines()]
    except msgspec.DecodeError as error:
        raise Unreadable(f"{path} is no history of the bench: {error}") from error


def rows_of(path: Path) -> list[GoalRow]:
    """Reads the rows of a run that ``--json`` wrote, or of the last one of a history.

    Raises:
        Unreadable: it is neither.
    """
    content = _bytes(path)
    if content.startswith(b"{"):
        return load(path)[-1].rows
    try:
        return _ROWS.decode(content)
    except msgspec.DecodeError as error:
        raise Unreadable(f"{path} has no rows of the bench: {error}") from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path} can't be read: {error.strerror}") from error
