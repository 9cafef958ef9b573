"""Thread of the web process that sends mail."""

from __future__ import annotations

from threading import Event

import structlog

from appliance.model.letters import Letter
from appliance.service import Context, factor_removals, invitations, notices, postman, resets
from appliance.service.letters import COMPOSERS
from appliance.service.postman import RelayPort
from appliance.store.mail import QueuedLetter
from appliance.web.limits import RateLimits

log = structlog.get_logger()

_LOOKS_EVERY_S = 2.0
_OF_ACCOUNTS = (factor_removals.LETTER, notices.LETTER)


def work(
    context: Context, relay: RelayPort, limits: RateLimits, stopped: Event, every_s: float = _LOOKS_EVERY_S
) -> None:
    """Send letters as they become due, until stopped.

    Args:
        every_s: seconds between two looks for letters that are due.
    """

    def admits(queued: QueuedLetter, letter: Letter) -> bool:
        # Notices about the access to an account are never limited.
        if queued.kind in _OF_ACCOUNTS:
            return True
        # Strangers, who may ask for any member's reset, must not use up what the organization's members may send.
        charged = None if queued.kind == resets.LETTER else queued.organization_id
        return limits.is_letter_admitted(charged, letter.recipient, is_invitation=queued.kind == invitations.LETTER)

    while not stopped.wait(every_s):
        try:
            resets.answer_all(context)
            while postman.deliver_one(context, relay, COMPOSERS, admits):
                pass
        except Exception as error:  # noqa: BLE001 - a store that is gone for a while must not end the thread
            log.error("mail can't be sent now", error=type(error).__name__)
