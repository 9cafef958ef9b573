"""What an earlier process began to delete and did not finish, beside the requests."""

from __future__ import annotations

import threading

import structlog
from sqlalchemy.exc import SQLAlchemyError

from appliance.model.errors import Refused
from appliance.service import Workplace, deletion

log = structlog.get_logger()

_EVERY_S = 60.0


def keep_at_it(workplace: Workplace) -> None:
    """Finishes deletions, at once and then every minute if something was in the way. Never returns."""
    never = threading.Event()
    while True:
        try:
            deletion.resume(workplace)
        except (Refused, SQLAlchemyError) as error:
            log.warning("a deletion can't be finished yet", error=str(error))
        never.wait(_EVERY_S)
