"""Text of an error that ended a scenario, without the keys and tokens that it may quote."""

from __future__ import annotations

import traceback

from harness.events.secrets import without_secrets
from harness.judging.verdicts import Inconclusive, Refuted

_OUR_OWN = frozenset({"harness", "netlab", "scenarios"})
_GATE = "harness.gate."


def words(error: BaseException) -> str:
    """Returns the error's message, and unless it is a verdict, its type and the innermost line of our own code."""
    if isinstance(error, (Refuted, Inconclusive)):
        return without_secrets(str(error))
    text = "".join(traceback.format_exception_only(type(error), error)).strip()
    return without_secrets(f"{text} ({_place(error)})")


def in_full(error: BaseException) -> str:
    """Returns the traceback of the error and of its causes."""
    return without_secrets("".join(traceback.format_exception(error)))


def _place(error: BaseException) -> str:
    frames = [(str(frame.f_globals.get("__name__")), line) for frame, line in traceback.walk_tb(error.__traceback__)]
    # The gate calls the scenario, and is no place of its errors.
    ours = [each for each in frames if each[0].partition(".")[0] in _OUR_OWN and not each[0].startswith(_GATE)]
    module, line = (ours or frames)[-1]
    return f"{module}, line {line}"
