"""Change of a password with the present one."""

from __future__ import annotations

from appliance.service import notices, organizations, passwords, proof, sessions, ways_in
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.recording import check_account_trail, recording
from appliance.service.sessions import NOWHERE, Session
from appliance.store import people
from appliance.store.session_table import ClientDevice


def change(
    context: Context,
    actor: Actor,
    *,
    password: str,
    new_password: str,
    keep_tokens: bool = False,
    keep_passkeys: bool = False,
    device: ClientDevice = NOWHERE,
) -> Session:
    """Change the password, end every session, and open a new one.

    Args:
        keep_tokens: True to keep the account's API tokens, which are revoked otherwise.
        keep_passkeys: True to keep its passkeys, which are removed otherwise.

    Raises:
        WrongProof: ``password`` is not the present one.
        Invalid: the new password is not acceptable.
    """
    shown = proof.of_password(context, actor, password)
    about = (shown.member.email, organizations.get(context, actor).name)
    new_hash = passwords.hash_password(passwords.check_new(new_password, about=about, field="new_password"))
    with recording(context, actor) as record:
        check_account_trail(context, record.transaction, shown.member)
        proof.take(context, record.transaction, shown, device)
        people.change_password_hash(record.transaction, shown.member.id, new_hash)
        ended = ways_in.end(record.transaction, shown.member, keep_tokens=keep_tokens, keep_passkeys=keep_passkeys)
        notices.record(context, record.transaction, shown.member, "password.changed", device, ended)
        return sessions.begin(context, record.transaction, shown.member, device)
