"""Letters that notify people of changes of the access to their account.

A notice is about an entry of the audit trail and commits with it. It contains no secret, and no free text, which could
be taken for ours; its only link leads to a public page.

Source: account notifications, NIST SP 800-63B-4, section 4.6.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from appliance.model.letters import Letter
from appliance.model.organization import Member
from appliance.model.sentences import sentence
from appliance.service import mail
from appliance.service.context import Context
from appliance.store import audit, people
from appliance.store.session_table import ClientDevice

LETTER = "notice"
MOST_IN_AN_HOUR = 10
"""Notices to an account in an hour; the postman counts those to an unverified address, which may be a stranger's."""

_SENTENCES = {
    "password.changed": sentence("The password of your account was changed."),
    "password.reset": sentence("Another password was chosen for your account, with a link that was made for that."),
    "second-factor.enabled": sentence("A second factor was turned on for your account."),
    "second-factor.disabled": sentence("The second factor of your account was turned off."),
    "recovery-codes.made": sentence(
        "New recovery codes were made for your account; those of before are worth nothing."
    ),
    "recovery-code.used": sentence("A recovery code of your account was used."),
    "passkey.added": sentence("A passkey was added to your account."),
    "passkey.removed": sentence("A passkey of your account was removed."),
    "token.issued": sentence(
        "An API token was made for your account: a program that has it gets in without your password."
    ),
}


def record(
    context: Context,
    transaction: Connection,
    member: Member,
    action: str,
    device: ClientDevice,
    detail: dict[str, Any] | None = None,
) -> None:
    """Record a change of a member's access in the audit trail, and queue the notice.

    Args:
        action: a key of `_SENTENCES`.
        device: origin of the change; the entry has its network address.
        detail: further facts for the audit trail.
    """
    now = context.clock()
    facts = {**(detail or {}), "address": device.address}
    entry = audit.record(transaction, member.organization_id, member.email, action, facts, now)
    lately = audit.count_since(
        transaction, member.organization_id, member.email, tuple(_SENTENCES), now - timedelta(hours=1), now
    )
    if lately <= MOST_IN_AN_HOUR:
        mail.queue(context, transaction, member.organization_id, LETTER, str(entry))


def compose(context: Context, transaction: Connection, entry_id: str) -> Letter | None:
    """Write the notice (`mail.Composer`); None if the account was removed."""
    entry = audit.find(transaction, int(entry_id))
    member = entry and people.by_email(transaction, entry.actor)
    if not entry or not member:
        return None
    address = entry.detail.get("address") or sentence("an unknown address")
    return mail.written(
        member.email,
        member.language,
        sentence("A change of your account at MeshWG"),
        _SENTENCES[entry.action],
        (
            sentence("Account: {email}", email=member.email),
            sentence("When: {at}", at=entry.at),
            sentence("From: {address}", address=address),
        ),
        sentence(
            "If this was you, there is nothing to do. If not, somebody else may have got in. Choose another password "
            "here, which ends every session, API token and passkey of the account, and then look at the second factor "
            "on your account's page:"
        ),
        (f"{context.site}/forgotten",),
    )
