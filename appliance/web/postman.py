"""The thread of the web process that sends mail."""

from __future__ import annotations

from threading import Event

import structlog

from appliance.service import Workplace, postman, resets
from appliance.service.letters import COMPOSERS
from appliance.service.postman import RelayPort

log = structlog.get_logger()

_LOOKS_EVERY_S = 2.0


def work(workplace: Workplace, relay: RelayPort, stopped: Event) -> None:
    """Sends what is due, and then what becomes so, until it is told to stop."""
    while not stopped.wait(_LOOKS_EVERY_S):
        try:
            resets.answer_all(workplace)
            while postman.deliver_one(workplace, relay, COMPOSERS):
                pass
        except Exception as error:  # noqa: BLE001 - a store that is gone for a while must not end the thread
            log.error("mail can't be looked after now", error=type(error).__name__)
