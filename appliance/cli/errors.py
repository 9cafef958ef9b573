"""What ends a command before its time: one sentence, and an exit code that tells scripts why."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes, after sysexits(3) where it has a word for it."""

    REFUSED = 64
    NO_INPUT = 66
    UNAVAILABLE = 69
    ADDRESS_IN_USE = 71
    CANNOT_CREATE = 73
    BUSY = 75
    NOT_PERMITTED = 77
    NOT_CONFIGURED = 78


class CommandError(Exception):
    """Said to the person at the terminal, and nothing else happens."""

    def __init__(self, sentence: str, code: Exit) -> None:
        super().__init__(sentence)
        self.code = code
