"""Correction of expiry times after the clock was set back, so that nothing lasts longer than promised.

The store keeps the wall clock's offset to a clock that can't be set. A process that finds the wall clock set back moves
every expiry time by as much, in one transaction, so that no second process does it again. After a reboot the amount is
unknown; then nothing lasts longer than if it began now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

import structlog
from sqlalchemy import Column

from appliance.host import clocks
from appliance.service import (
    api_tokens,
    invitations,
    operator_sessions,
    operators,
    passkeys,
    permits,
    postman,
    sessions,
    tickets,
)
from appliance.service.context import Context
from appliance.store import schema, setbacks
from appliance.store.setbacks import ClockOffset

log = structlog.get_logger()

LONGEST: Mapping[Column[float], timedelta] = {
    schema.sessions.c.expires_at: sessions.ABSOLUTE,
    schema.operator_links.c.expires_at: operators.LINK_LIFETIME,
    schema.operator_sessions.c.expires_at: operator_sessions.ABSOLUTE,
    schema.challenges.c.expires_at: passkeys.LIFETIME,
    schema.invitations.c.expires_at: invitations.LIFETIME,
    schema.permits.c.expires_at: max(permits.LIFETIME, permits.INVITED_FOR),
    schema.mail.c.due_at: postman.LONGEST_PAUSE,
    schema.api_tokens.c.expires_at: timedelta(days=api_tokens.LONGEST_DAYS),
}
"""Longest time from now to an expiry, by column."""

_NOTEWORTHY = timedelta(seconds=1)


def settle(
    context: Context, steady: Callable[[], float] | None = None, boot: Callable[[], str] = clocks.boot_id
) -> timedelta | None:
    """Move expiry times by as much as the clock was set back since the last call.

    Args:
        steady: time in seconds of a clock that is never set; None: the context's.
        boot: id of the boot that this clock counts from.

    Returns:
        The amount that the clock was set back; None if it was not, or the amount is unknown.
    """
    with context.store.write() as transaction:
        known = setbacks.find(transaction)
        now = context.clock()
        stand = ClockOffset(boot(), now.timestamp() - (steady or context.steady)())
        if known is not None and known.boot == stand.boot:
            back = timedelta(seconds=known.offset - stand.offset)
            if abs(back) < _NOTEWORTHY:
                return None
        else:
            back = timedelta()
        if back > timedelta():
            setbacks.move_back(transaction, back)
        if back >= timedelta():
            setbacks.limit(transaction, now, LONGEST, tickets.LIFETIMES)
        setbacks.store(transaction, stand)
    if back > timedelta():
        log.warning("the clock was set back; expiry times are corrected", seconds=back.total_seconds())
        return back
    return None
