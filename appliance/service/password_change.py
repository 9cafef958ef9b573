"""Another password, by whoever knows the present one."""

from __future__ import annotations

from appliance.service import notices, organizations, passwords, proof, sessions, ways_in
from appliance.service.context import Actor, Context, recording
from appliance.service.sessions import NOWHERE, Session
from appliance.store import people
from appliance.store.sessions import ClientDevice


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
    """Another password. Every session ends, and the one that this gives takes their place.

    Args:
        keep_tokens, keep_passkeys: whether the account's API tokens and passkeys go on letting in.

    Raises:
        WrongProof: ``password`` is not the present one.
        Invalid: the new one may not be chosen.
    """
    shown = proof.of_password(context, actor, password)
    about = (shown.member.email, organizations.get(context, actor).name)
    new_hash = passwords.hash_password(passwords.check_new(new_password, about=about, field="new_password"))
    with recording(context, actor) as record:
        proof.take(context, record.transaction, shown, device)
        people.change_password_hash(record.transaction, shown.member.id, new_hash)
        ended = ways_in.end(record.transaction, shown.member, keep_tokens=keep_tokens, keep_passkeys=keep_passkeys)
        notices.record(context, record.transaction, shown.member, "password.changed", device, ended)
        return sessions.begin(context, record.transaction, shown.member, device)
