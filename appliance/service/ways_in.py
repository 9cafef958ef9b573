"""End of an account's sessions, API tokens and passkeys after a change of its password.

A stranger who knew the password may have created any of them. So a new password ends every session and link, and tokens
and passkeys too unless their owner keeps them. A second factor stays, since it gives no access by itself.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from appliance.model.organization import Member
from appliance.service import sessions
from appliance.store import api_tokens, passkeys, second_factors


def end(
    transaction: Connection, member: Member, *, keep_tokens: bool = False, keep_passkeys: bool = False
) -> dict[str, Any]:
    """End every session, API token and passkey of a member, and a proposed second factor.

    Returns:
        Numbers of ended tokens and passkeys, for the audit trail.
    """
    sessions.end_every(transaction, member)
    second_factors.drop_proposal(transaction, member.id)
    return {
        "tokens_ended": 0 if keep_tokens else api_tokens.remove_all(transaction, member.id),
        "passkeys_ended": 0 if keep_passkeys else passkeys.remove_all(transaction, member.id),
    }
