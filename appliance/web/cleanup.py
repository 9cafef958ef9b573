"""Work beside the requests: finishing what an earlier process began, and removing what is too old."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from appliance.host import clocks
from appliance.model.errors import Refused
from appliance.service import Context, accounts, deletion, factor_removals, setbacks, trails, unused

log = structlog.get_logger()

_EVERY_S = 60.0
_PAUSE_S = 1.0
_STEP_S = 1.0
# A call that waits for a hub that hangs gives up before.
_LONGEST_CALL = timedelta(minutes=5)


def keep_at_it(context: Context, every_s: float = _EVERY_S) -> None:
    """Do what is due, now and every minute: forget sign-ups, finish deletions, remove what is unused, old or lost.

    Never returns.

    Args:
        every_s: seconds between two rounds.
    """
    never = threading.Event()
    # What an earlier process noted by a clock that was ahead is of now at the latest.
    _try(setbacks.settle, context)
    # What was begun before this process was is nobody's who is still at it.
    begun_until = context.clock()
    while True:
        _try(accounts.forget_unfinished, context, begun_until)
        _try(deletion.resume, context, begun_until)
        _try(unused.remove, context)
        _try(trails.tidy, context)
        _try(factor_removals.finish_due, context)
        _try(factor_removals.forget_letters, context)
        never.wait(every_s)
        begun_until = context.clock() - _LONGEST_CALL


def watch_clock(context: Context, pause_s: float = _PAUSE_S, again_s: float = _EVERY_S) -> None:
    """Look whether the clock was set back, now and every second. Never returns.

    Args:
        pause_s: seconds between two looks.
        again_s: seconds until the next look after one that failed.
    """
    never, known = threading.Event(), None
    while True:
        offset = context.clock().timestamp() - clocks.boottime()
        if known is None or abs(offset - known) >= _STEP_S:
            known = offset if _try(setbacks.settle, context) else None
        never.wait(pause_s if known is not None else again_s)


def _try(work: Callable[..., object], *arguments: object) -> bool:
    """Do one thing, and tell whether it was done; where it was not, others are, and it is tried again next time."""
    try:
        work(*arguments)
    except Exception as error:
        unforeseen = not isinstance(error, Refused | SQLAlchemyError)
        log.warning("what is to be cleaned up can't be yet", error=str(error), exc_info=unforeseen)
        return False
    return True
