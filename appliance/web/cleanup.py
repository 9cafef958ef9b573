"""Background work: finish what an earlier process began, and remove what is too old."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from appliance import libc
from appliance.model.errors import Refused
from appliance.service import (
    Context,
    accounts,
    decided_packets,
    deletion,
    factor_removals,
    oversight,
    policy_history,
    repeats,
    setbacks,
    trails,
    unused,
)

log = structlog.get_logger()

_EVERY_S = 60.0
_PAUSE_S = 1.0
_STEP_S = 1.0
# Longer than any call takes, even with a hub that hangs.
LONGEST_CALL = timedelta(minutes=5)


def keep_at_it(context: Context, begun_until: datetime, every_s: float = _EVERY_S) -> None:
    """Clean up now and every minute; never returns.

    Interrupted sign-ups, interrupted deletions, unused organizations, old entries of audit trails and of the log of
    operations, old saves of policies, old idempotency keys and forms, hourly counts of packets and due removals of lost
    second factors are handled.

    Args:
        begun_until: time before this process took its first request: what began earlier is no longer running.
        every_s: seconds between two rounds.
    """
    never = threading.Event()
    # An earlier process may have noted future times, by a clock that was ahead.
    _try(setbacks.settle, context)
    while True:
        clean_up(context, begun_until)
        # What hashes of many passwords took.
        libc.malloc_trim()
        never.wait(every_s)
        begun_until = context.removal_time() - LONGEST_CALL


def clean_up(context: Context, begun_until: datetime) -> None:
    """Forget or finish what was interrupted, and remove what is old or due; once."""
    _try(accounts.forget_unfinished, context, begun_until)
    _try(deletion.resume, context, begun_until)
    _try(unused.remove, context)
    _try(trails.tidy, context)
    _try(oversight.tidy_log, context)
    _try(policy_history.tidy, context)
    _try(repeats.tidy, context)
    _try(decided_packets.note, context)
    _try(factor_removals.finish_due, context)
    _try(factor_removals.forget_letters, context)


def watch_clock(context: Context, pause_s: float = _PAUSE_S, again_s: float = _EVERY_S) -> None:
    """Look for a clock that was set back, now and every second; never returns.

    Args:
        pause_s: seconds between two looks.
        again_s: seconds until the next look after a failed correction.
    """
    never, known = threading.Event(), None
    while True:
        offset = context.clock().timestamp() - context.steady()
        if known is None or abs(offset - known) >= _STEP_S:
            known = offset if _try(setbacks.settle, context) else None
        never.wait(pause_s if known is not None else again_s)


def _try(work: Callable[..., object], *arguments: object) -> bool:
    """Do some work; log a failure and return False, so that other work goes on."""
    try:
        work(*arguments)
    except Exception as error:
        unforeseen = not isinstance(error, Refused | SQLAlchemyError)
        log.error("cleanup failed and is tried again", error=str(error), exc_info=unforeseen)
        return False
    return True
