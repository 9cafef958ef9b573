"""Thread of the web process that sends mail."""

from __future__ import annotations

from threading import Event

import structlog

from appliance.model.letters import Letter
from appliance.service import Context, factor_removals, invitations, notices, postman, resets, verification
from appliance.service.letters import COMPOSERS
from appliance.service.postman import RelayPort
from appliance.store.mail import QueuedLetter
from appliance.web.limits import RateLimits

log = structlog.get_logger()

_LOOKS_EVERY_S = 2.0
_OF_SIGN_UPS = (verification.AT_SIGN_UP, notices.LETTER)


def work(
    context: Context, relay: RelayPort, limits: RateLimits, stopped: Event, every_s: float = _LOOKS_EVERY_S
) -> None:
    """Send letters as they become due, until stopped.

    Args:
        every_s: seconds between two looks for letters that are due.
    """
    while not stopped.wait(every_s):
        try:
            send_due(context, relay, limits)
        except Exception as error:  # noqa: BLE001 - a store that is gone for a while must not end the thread
            log.error("mail can't be sent now", error=type(error).__name__)


def send_due(context: Context, relay: RelayPort, limits: RateLimits) -> None:
    """Send the letters that are due, within the limits."""

    def admits(queued: QueuedLetter, letter: Letter) -> bool:
        is_notice = queued.kind == notices.LETTER
        # What tells people of their own account is not limited. But somebody may have signed up with a stranger's
        # address, and delete the organization with what was counted in it.
        if queued.kind == factor_removals.LETTER or (is_notice and verification.is_done(context, letter.recipient)):
            return True
        # Strangers, who may ask for any member's reset, must not use up what the organization's members may send, nor
        # may a member who changes the own password.
        charged = None if is_notice or queued.kind == resets.LETTER else queued.organization_id
        return limits.is_letter_admitted(
            charged,
            letter.recipient,
            is_invitation=queued.kind == invitations.LETTER,
            is_of_sign_up=queued.kind in _OF_SIGN_UPS,
        )

    resets.answer_all(context)
    while postman.deliver_one(context, relay, COMPOSERS, admits):
        pass
