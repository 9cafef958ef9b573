"""Unused organizations: removed after a while, and limited in number.

An organization is unused if no member has a verified e-mail address, and none of its machines has ever connected. Each
one still costs a port, a namespace and a process. One that is on the paid plan or has removed a machine counts, but is
not removed: a machine that is gone may have connected.
"""

from __future__ import annotations

import structlog
from sqlalchemy import Connection

from appliance.model.errors import NotEnforced, NotFound, TooMany
from appliance.service import deletion
from appliance.service.context import Context
from appliance.store import unused
from appliance.store.deletions import DeletionTarget

log = structlog.get_logger()

MOST = 1000
"""Number of unused organizations at which strangers can't sign up."""
_AT_ONCE = 20
_FULL_RETRY_S = 3600


def check_room(context: Context) -> None:
    """Raise `TooMany` if `MOST` organizations are unused."""
    with context.store.read() as transaction:
        count = unused.count(transaction, MOST)
    if count >= MOST:
        log.warning("sign-up is refused: too many organizations are unused", count=count)
        raise TooMany(
            "So many new organizations wait for their first use that nobody signs up another one for now. The operator "
            "of this service can give you a sign-up link.",
            retry_after=_FULL_RETRY_S,
        )


def remove(context: Context) -> int:
    """Remove some organizations that were unused for as long as the operator allows; returns their number.

    Raises:
        NotEnforced, Unavailable: the data plane or the store failed; the text says whether the deletion goes on.
    """
    if context.unused_after is None:
        return 0
    until = context.removal_time() - context.unused_after

    def check(transaction: Connection, doomed: DeletionTarget) -> None:
        if not unused.is_unused(transaction, doomed.id, until):
            raise NotFound("This organization is in use by now.")

    with context.store.read() as transaction:
        found = unused.unused_since(transaction, until, _AT_ONCE)
    removed = 0
    for organization_id in found:
        try:
            deletion.delete_by_service(context, organization_id, check)
        except NotFound:
            continue
        except NotEnforced as error:
            log.error("an unused organization is not removed yet", organization=organization_id, error=error.detail)
            continue
        removed += 1
        log.info("an unused organization was removed", organization=organization_id)
    return removed
