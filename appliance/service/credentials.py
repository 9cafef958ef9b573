"""What a call came with, looked up again in the transaction that changes something.

A call is let in when it arrives, and may wait after that: for its turn, for the hub, for a password to be hashed.
Meanwhile its member may be removed or given another role, its session or token may end, by somebody's hand or by time.
So what it came with is read again where the change commits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from sqlalchemy import Connection

from appliance.model.organization import Role
from appliance.store import api_tokens, invitations, sessions

IDLE = timedelta(hours=12)
"""A session that was not used for so long has ended."""


class CredentialKind(Enum):
    """What it is."""

    SESSION = "session"
    TOKEN = "token"  # noqa: S105 - a kind, no secret
    INVITATION = "invitation"


@dataclass(frozen=True)
class Credential:
    """A session, an API token, or the link of an invitation; `token_hash` finds it in the store."""

    kind: CredentialKind
    token_hash: str = field(repr=False)


def role_of(transaction: Connection, credential: Credential, now: datetime, *, locked: bool) -> Role | None:
    """The role that it gives in its organization now; None where it gives none any more.

    Args:
        locked: whether it stays until the transaction ends, also where the database takes several writers.
    """
    if credential.kind is CredentialKind.SESSION:
        return sessions.role_of(transaction, credential.token_hash, now, now - IDLE, locked=locked)
    if credential.kind is CredentialKind.TOKEN:
        return api_tokens.role_of(transaction, credential.token_hash, now, locked=locked)
    invitation = invitations.by_link(transaction, credential.token_hash, now)
    return None if invitation is None else invitation.role
