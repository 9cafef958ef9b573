"""Removal of old audit trail entries, a few at a time."""

from __future__ import annotations

import structlog

from appliance.service.context import Context
from appliance.store import trails
from appliance.store.portions import PORTION, pause

log = structlog.get_logger()

_ORGANIZATIONS = 100
_PORTIONS = 200


def tidy(context: Context, *, portion: int = PORTION, portions: int = _PORTIONS) -> int:
    """Remove old entries in small transactions, so that no change waits long; returns their number.

    Args:
        portion: most entries of a transaction.
        portions: most transactions; the rest is left to the next call.
    """
    now, removed = context.removal_time(), 0
    while portions > 0:
        with context.store.read() as transaction:
            overdue = trails.overdue(transaction, context.retention, now, _ORGANIZATIONS)
        if not overdue:
            break
        for organization in overdue[:portions]:
            with context.store.write() as transaction:
                removed += trails.prune(transaction, organization, context.retention, now, portion)
            pause()
        portions -= len(overdue)
    if removed:
        log.info("old entries of audit trails were removed", count=removed)
    return removed
