"""Outcome of a run of pytest: the first failure, and costs and lines of its tests."""

from __future__ import annotations

import msgspec


class Failure(msgspec.Struct, frozen=True):
    """First failure of a run.

    Attributes:
        test: node id of the test, or of the file that could not be imported.
        error: name of the exception's class.
        words: its text, in brief.
    """

    test: str
    error: str
    words: str


Lines = dict[str, dict[int, list[str]]]
"""Node ids of the tests that run a line, by path (relative to the repository) and number of the line."""


class Outcome(msgspec.Struct, frozen=True):
    """Outcome of a run.

    Attributes:
        passed: number of tests that passed.
        failure: the first failure; None if there was none.
        trouble: the reason why the run says nothing; "" if it says something.
        seconds: processor time of the run and its processes.
        costs: processor time of each test, without that of its processes.
        lines: tests by line, of a run that recorded them.
    """

    passed: int = 0
    failure: Failure | None = None
    trouble: str = ""
    seconds: float = 0.0
    costs: dict[str, float] = {}
    lines: Lines = {}
