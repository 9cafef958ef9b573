"""What is said of an error that ended a scenario, without the keys and tokens that it may quote."""

from __future__ import annotations

import re
import traceback

from harness.judging.verdicts import Inconclusive, Refuted

_OUR_OWN = frozenset({"harness", "netlab", "scenarios"})
# A WireGuard key, and a token of the service's: customers' answers have them, and what failed may quote an answer.
_SECRET = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=|\bmw[a-z]_[A-Za-z0-9_-]{20,}")


def words(error: BaseException) -> str:
    """Its message; an error that is no verdict says its kind, too, and which line of ours it came from."""
    if isinstance(error, (Refuted, Inconclusive)):
        return _cleared(str(error))
    said = "".join(traceback.format_exception_only(type(error), error)).strip()
    return _cleared(f"{said} ({_place(error)})")


def in_full(error: BaseException) -> str:
    """With the calls that led to it, and the errors before it."""
    return _cleared("".join(traceback.format_exception(error)))


def _place(error: BaseException) -> str:
    """The innermost line of our own: what is below it was asked for something that can't be done."""
    frames = [(str(frame.f_globals.get("__name__")), line) for frame, line in traceback.walk_tb(error.__traceback__)]
    ours = [(module, line) for module, line in frames if module.partition(".")[0] in _OUR_OWN]
    module, line = (ours or frames)[-1]
    return f"{module}, line {line}"


def _cleared(text: str) -> str:
    return _SECRET.sub("[removed]", text)
