"""A clock that is set back makes nothing last longer than it was promised.

The store keeps how the wall clock stood against one that can't be set. A process that finds it set back since moves the
ends of what lasts for a while, in one transaction, so that no second process does it again. Where the host was started
anew, nobody knows by how much; then nothing lasts longer than if it began now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

import structlog
from sqlalchemy import Column

from appliance.host import clocks
from appliance.service import api_tokens, invitations, passkeys, permits, postman, sessions, tickets
from appliance.service.context import Context
from appliance.store import schema, setbacks
from appliance.store.setbacks import ClockOffset

log = structlog.get_logger()

LONGEST: Mapping[Column[float], timedelta] = {
    schema.sessions.c.expires_at: sessions.ABSOLUTE,
    schema.challenges.c.expires_at: passkeys.LIFETIME,
    schema.invitations.c.expires_at: invitations.LIFETIME,
    schema.permits.c.expires_at: max(permits.LIFETIME, permits.INVITED_FOR),
    schema.mail.c.due_at: postman.LONGEST_PAUSE,
    schema.api_tokens.c.expires_at: timedelta(days=api_tokens.LONGEST_DAYS),
}
"""Longest time from now to each end."""

_NOTEWORTHY = timedelta(seconds=1)


def settle(
    context: Context, steady: Callable[[], float] = clocks.boottime, boot: Callable[[], str] = clocks.boot_id
) -> timedelta | None:
    """Looks whether the clock was set back since somebody looked last, and has ends come as much earlier.

    Args:
        steady: seconds of a clock that is never set.
        boot: names what that clock counts from.

    Returns:
        By how much it was set back; None where it was not, or nobody knows.
    """
    with context.store.write() as transaction:
        known = setbacks.find(transaction)
        now = context.clock()
        stand = ClockOffset(boot(), now.timestamp() - steady())
        if known is not None and known.boot == stand.boot:
            back = timedelta(seconds=known.offset - stand.offset)
            if abs(back) < _NOTEWORTHY:
                return None
        else:
            back = timedelta()
        if back > timedelta():
            log.warning("the clock was set back; what lasts for a while ends as promised", seconds=back.total_seconds())
            setbacks.move_back(transaction, back)
        if back >= timedelta():
            setbacks.limit(transaction, now, LONGEST, tickets.LIFETIMES)
        setbacks.store(transaction, stand)
    return back if back > timedelta() else None
