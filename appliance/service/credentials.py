"""Credentials of a call, checked again in the transaction that changes something.

A call is authenticated when it arrives, and may wait after that: for its turn, for the hub, for a password to be
hashed. Meanwhile its member may be removed or get another role, and its session or token may end. So the credential is
read again when the change commits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from sqlalchemy import Connection

from appliance.model.organization import Role
from appliance.store import api_tokens, invitations, operators, sessions

IDLE = timedelta(hours=12)
"""Sessions end after this time without use."""
OPERATOR_IDLE = timedelta(minutes=30)
"""Sessions of operators end after this time without use."""


class CredentialKind(Enum):
    """Kind of a credential."""

    SESSION = "session"
    TOKEN = "token"  # noqa: S105 - a kind, no secret
    INVITATION = "invitation"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Credential:
    """A session, an API token or an invitation's link, by the hash that the store has of it."""

    kind: CredentialKind
    token_hash: str = field(repr=False)


def role_of(transaction: Connection, credential: Credential, now: datetime, *, locked: bool) -> Role | None:
    """Find the role that a credential gives in its organization now; None if it gives none any more.

    Args:
        locked: True to keep it unchanged until the transaction ends, also in a database with several writers.
    """
    if credential.kind is CredentialKind.SESSION:
        return sessions.role_of(transaction, credential.token_hash, now, now - IDLE, locked=locked)
    if credential.kind is CredentialKind.TOKEN:
        return api_tokens.role_of(transaction, credential.token_hash, now, locked=locked)
    if credential.kind is CredentialKind.OPERATOR:
        found = operators.by_session(transaction, credential.token_hash, now, now - OPERATOR_IDLE, locked=locked)
        return None if found is None else Role.OWNER
    invitation = invitations.by_link(transaction, credential.token_hash, now)
    return None if invitation is None else invitation.role
