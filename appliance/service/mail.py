"""Letters to people: queued in the transaction of their cause, and written when they are sent.

A valid link is as good as a password, and the store keeps such secrets as hashes only. So the queue has only a letter's
subject, and a `Composer` makes the link right before sending; each further attempt makes a new link and ends the one
before.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from appliance.model.errors import NotPossible
from appliance.model.letters import Letter
from appliance.service.context import Context
from appliance.store import mail

Composer = Callable[[Context, Connection, str], "Letter | None"]
"""Writes the letter about an id, within a transaction; None if the letter is outdated."""


def require(context: Context) -> None:
    """Check that this service sends mail.

    Raises:
        NotPossible: it does not.
    """
    if not context.sends_mail:
        raise NotPossible("This service sends no mail. Its operator can give you a link.")


def queue(context: Context, transaction: Connection, organization_id: str | None, kind: str, about: str) -> bool:
    """Queue a letter; it is sent only after the transaction has committed.

    Args:
        kind: a key of `letters.COMPOSERS`.
        about: the id that the composer of this kind gets.

    Returns:
        False without a relay: nothing is queued then.
    """
    if not context.sends_mail:
        return False
    mail.queue(transaction, organization_id, kind, about, context.clock())
    return True
