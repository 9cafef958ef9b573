"""The ways into an account beside its password, and their end.

Whoever had the password may have made themselves another way in. So another password ends every session and link, and
tokens and passkeys too unless their owner wants to keep them; a second factor, which lets nobody in by itself, stays.
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
    """Ends every session of this member, every API token and every passkey, but what is to be kept.

    Returns:
        How many tokens and passkeys ended, for the audit trail.
    """
    sessions.end_every(transaction, member)
    second_factors.drop_proposal(transaction, member.id)
    return {
        "tokens_ended": 0 if keep_tokens else api_tokens.remove_all(transaction, member.id),
        "passkeys_ended": 0 if keep_passkeys else passkeys.remove_all(transaction, member.id),
    }
