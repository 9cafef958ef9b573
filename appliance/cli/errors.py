"""Errors that end a command with a sentence and an exit code."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of all commands, after sysexits(3) as far as possible.

    Attributes:
        why: meaning for scripts.
    """

    why: str

    def __new__(cls, code: int, why: str) -> Exit:
        """Make a code with its reason."""
        made = int.__new__(cls, code)
        made._value_ = code
        made.why = why
        return made

    DONE = 0, "success, or an end by Ctrl-C or SIGTERM if that is the usual end"
    FAILED = (
        1,
        "a check failed: of a claim, a test, a figure, a signature, a later run",
    )
    REFUSED = 64, "the command line is not understood, `admin` refuses, or nobody agreed to a restore"
    NO_INPUT = 66, "something named does not exist or can't be read: an organization, a person, a backup, a run"
    UNAVAILABLE = 69, "this machine lacks something, a package can't be installed, or the service does not answer"
    FAULT = 70, "a fault of the program; the lines above it are for a report"
    ADDRESS_IN_USE = 71, "the address to listen on is taken, or not this machine's"
    CANNOT_CREATE = 73, "a folder, a file or the database can't be written or used"
    BUSY = 75, "another service runs on this data folder, or one is just starting"
    NOT_PERMITTED = 77, "it takes root, or no sandbox can be made"
    NOT_CONFIGURED = 78, "a setting makes no sense, there is no store yet, or the unlock secret is missing or another's"


SIGNALS = ("128+N", "signal N ended it: 130 is Ctrl-C, 141 that nobody reads its output any more")


def exit_codes() -> list[tuple[str, str]]:
    """List all codes with their meanings, for help and documentation."""
    return [*((str(each.value), each.why) for each in Exit), SIGNALS]


class CommandError(Exception):
    """Error that ends a command with a sentence for the person at the terminal."""

    def __init__(self, sentence: str, code: Exit) -> None:
        super().__init__(one_line(sentence))
        self.code = code


def one_line(text: str) -> str:
    """Replace line breaks and control characters in a text from elsewhere."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
