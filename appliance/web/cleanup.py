"""Work beside the requests: finishing what an earlier process began, and removing what is too old."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from appliance.model.errors import Refused
from appliance.service import Workplace, accounts, deletion, trails, unused

log = structlog.get_logger()

_EVERY_S = 60.0
# A call that waits for a hub that hangs gives up before.
_LONGEST_CALL = timedelta(minutes=5)


def keep_at_it(workplace: Workplace) -> None:
    """Forgets sign-ups, finishes deletions, removes what nobody uses and prunes audit trails; now and every minute.

    Never returns.
    """
    never = threading.Event()
    # What was begun before this process was is nobody's who is still at it.
    begun_until = workplace.clock()
    while True:
        _try(accounts.forget_unfinished, workplace, begun_until)
        _try(deletion.resume, workplace, begun_until)
        _try(unused.remove, workplace)
        _try(trails.tidy, workplace)
        never.wait(_EVERY_S)
        begun_until = workplace.clock() - _LONGEST_CALL


def _try(work: Callable[..., object], *arguments: object) -> None:
    """Do one thing; whatever keeps it from being done, the others are done, and it is tried again next time."""
    try:
        work(*arguments)
    except Exception as error:
        unforeseen = not isinstance(error, Refused | SQLAlchemyError)
        log.warning("what is to be cleaned up can't be yet", error=str(error), exc_info=unforeseen)
