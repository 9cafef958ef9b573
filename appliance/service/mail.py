"""Letters to people: queued with the change that is their cause, and written when they are sent.

A letter's link is as good as a password for as long as it holds, and the store keeps such things as hashes only. So the
queue says what a letter is about, and a `Composer` makes the link when the relay is about to be given the letter; each
further attempt makes another link, and the one before is dead.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from appliance.model.letters import Letter
from appliance.service.context import Context
from appliance.store import mail

Composer = Callable[[Context, Connection, str], "Letter | None"]
"""Writes the letter about what has this id, within a transaction; None where there is nothing to write any more."""


def queue(context: Context, transaction: Connection, organization_id: str | None, kind: str, about: str) -> bool:
    """Queues a letter; it goes out once the transaction has committed, and not otherwise.

    Args:
        kind: a key of `letters.COMPOSERS`.
        about: what the composer of this kind is given.

    Returns:
        Whether it was: without a relay, nothing is queued.
    """
    if not context.sends_mail:
        return False
    mail.queue(transaction, organization_id, kind, about, context.clock())
    return True
