"""Passkeys: added and removed with the password, and used to log in without it."""

from __future__ import annotations

import secrets
from datetime import timedelta

from sqlalchemy import Connection
from webauthn.helpers import (
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)

from appliance.model.errors import Conflict, Invalid, NotFound, NotPossible, Unauthenticated
from appliance.model.ids import new_id
from appliance.model.names import check_name
from appliance.model.organization import Member
from appliance.service import accounts, factor_removals, notices, proof, sessions, tokens, verification
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.recording import check_trail, record_sign_in, recording
from appliance.service.relying_party import NotValid, RelyingParty
from appliance.service.sessions import NOWHERE, Session
from appliance.store import organizations, passkeys, people
from appliance.store.passkeys import Passkey
from appliance.store.session_table import ClientDevice

MOST = 20
LIFETIME = timedelta(minutes=5)
LARGEST_CREDENTIAL = 16_000
"""Most characters of what a browser sends of a passkey: one with a maker's certificates has half of them."""
_CHALLENGE_BYTES = 32


def origin(context: Context) -> str | None:
    """Get the origin of the pages for passkeys; None if the service's URL has an IP address in place of a host name."""
    party = RelyingParty.of(context.site)
    return None if party is None else party.origin


def all_of(context: Context, actor: Actor) -> list[Passkey]:
    """List the actor's passkeys, oldest first."""
    with context.store.read() as transaction:
        return passkeys.of_member(transaction, actor.member_id)


def begin_adding(context: Context, actor: Actor, holder: str) -> str:
    """Make the options with which a browser creates a passkey, in JSON.

    Args:
        holder: a secret of the caller's; the challenge is valid only with it, once, for five minutes.

    Raises:
        NotPossible: this service has no host name.
        Unverified: the account's address is not verified, and this service sends mail.
        Conflict: the actor has `MOST` passkeys.
    """
    party = _relying_party(context)
    member = accounts.member_of(context, actor)
    verification.require(context, member)
    with recording(context, actor) as record:
        present = _check_room(record.transaction, member)
        challenge = _new_challenge(context, record.transaction, holder)
        record.leave_no_entry()
    return party.creation_options(challenge, member.id, member.email, [each.credential_id for each in present])


def add(
    context: Context,
    actor: Actor,
    holder: str,
    *,
    password: str,
    name: str,
    credential: str,
    code: str | None = None,
    device: ClientDevice = NOWHERE,
) -> Session:
    """Add a passkey, end every session, and open a new one.

    Args:
        holder: the secret that the options were made for.
        credential: the browser's new credential, in JSON.
        code: of the second factor, if the account has one: a passkey works without it.

    Raises:
        WrongProof: the password or the code is wrong.
        CodeNeeded: the account has a second factor, and ``code`` is None.
        Unverified: the account's address is not verified, and this service sends mail.
        Invalid: the name is invalid, or the credential does not answer the challenge.
        Conflict: the passkey was added already, or the actor has `MOST` passkeys.
        TooMany: the day's share of the audit trail is full.
    """
    party = _relying_party(context)
    named = check_name(name)
    shown = proof.of_person(context, actor, password, code)
    member = shown.member
    verification.require(context, member)
    try:
        _check_size(credential)
        parsed = parse_registration_credential_json(credential)
        challenge = parse_client_data_json(parsed.response.client_data_json).challenge
        _take_challenge(context, holder, challenge)
        made = party.registered(parsed, challenge)
    except NotValid:
        raise Invalid("This passkey is not what your browser was asked for. Try again.", field="credential") from None
    with recording(context, actor) as record:
        transaction = record.transaction
        proof.take(context, transaction, shown, device)
        check_trail(context, record.organization, actor)
        _check_room(transaction, member)
        now = context.clock()
        passkeys.create(
            transaction,
            Passkey(new_id(), member.id, made.credential_id, made.credential_public_key, made.sign_count, named, now),
        )
        notices.record(context, transaction, member, "passkey.added", device, {"name": named})
        factor_removals.stop_by_use(context, transaction, member)
        return sessions.start_over(context, transaction, member, device)


def rename(context: Context, actor: Actor, passkey_id: str, *, name: str) -> None:
    """Rename a passkey.

    Raises:
        NotFound: the actor has no such passkey.
        Invalid: the name is invalid.
    """
    named = check_name(name)
    with recording(context, actor) as record:
        check_trail(context, record.organization, actor)
        before = passkeys.rename(record.transaction, actor.member_id, passkey_id, named)
        if before is None:
            raise _no_such()
        record.note("passkey.renamed", name=named, previous_name=before)


def remove(
    context: Context, actor: Actor, passkey_id: str, *, password: str, device: ClientDevice = NOWHERE
) -> Session:
    """Remove a passkey, end every session, and open a new one.

    Raises:
        WrongProof: the password is wrong.
        NotFound: the actor has no such passkey.
    """
    shown = proof.of_password(context, actor, password)
    with recording(context, actor) as record:
        proof.take(context, record.transaction, shown, device)
        name = passkeys.remove(record.transaction, shown.member.id, passkey_id)
        if name is None:
            raise _no_such()
        notices.record(context, record.transaction, shown.member, "passkey.removed", device, {"name": name})
        return sessions.start_over(context, record.transaction, shown.member, device)


def begin_log_in(context: Context, holder: str) -> str:
    """Make the options with which a browser uses a passkey, in JSON.

    Args:
        holder: a secret of the caller's; the challenge is valid only with it, once, for five minutes.

    Raises:
        NotPossible: this service has no host name.
    """
    party = _relying_party(context)
    with context.store.write() as transaction:
        challenge = _new_challenge(context, transaction, holder)
    return party.request_options(challenge)


def log_in(context: Context, holder: str, *, credential: str, device: ClientDevice = NOWHERE) -> Session:
    """Open a session with a passkey.

    Args:
        holder: the secret that the options were made for.
        credential: the browser's answer, in JSON.

    Raises:
        NotPossible: this service has no host name.
        Unauthenticated: the passkey is unknown, or did not sign the challenge.
        TooMany: the member has signed in again and again (`check_account_trail`).
    """
    party = _relying_party(context)
    try:
        _check_size(credential)
        parsed = parse_authentication_credential_json(credential)
        challenge = parse_client_data_json(parsed.response.client_data_json).challenge
        _take_challenge(context, holder, challenge)
        with context.store.read() as transaction:
            passkey = passkeys.by_credential(transaction, parsed.raw_id)
        if passkey is None or parsed.response.user_handle != passkey.member_id.encode():
            raise _refused()
        used = party.used(parsed, challenge, passkey.public_key, passkey.sign_count)
    except NotValid:
        raise _refused() from None
    with context.store.write() as transaction:
        member = people.by_id(transaction, passkey.member_id)
        if member is not None:
            organizations.lock_for_people(transaction, member.organization_id)
        if member is None or not passkeys.note_use(transaction, passkey, used.new_sign_count, context.clock()):
            raise _refused()
        record_sign_in(context, transaction, member, device, passkey=passkey.name)
        factor_removals.stop_by_use(context, transaction, member)
        return sessions.begin(context, transaction, member, device)


def _relying_party(context: Context) -> RelyingParty:
    party = RelyingParty.of(context.site)
    if party is None:
        raise NotPossible("Passkeys need a service with a host name; the operator sets it with --public-url.")
    return party


def _check_size(credential: str) -> None:
    if len(credential) > LARGEST_CREDENTIAL:
        raise ValueError("the credential is too large")


def _check_room(transaction: Connection, member: Member) -> list[Passkey]:
    present = passkeys.of_member(transaction, member.id)
    if len(present) >= MOST:
        raise Conflict("You have {most} passkeys, which is the most. Remove one first.", most=MOST)
    return present


def _new_challenge(context: Context, transaction: Connection, holder: str) -> bytes:
    challenge = secrets.token_bytes(_CHALLENGE_BYTES)
    now = context.clock()
    passkeys.challenge(transaction, tokens.hash_of(challenge.hex()), tokens.hash_of(holder), now, now + LIFETIME)
    return challenge


def _take_challenge(context: Context, holder: str, challenge: bytes) -> None:
    """Use a challenge up, in a transaction of its own; raises ValueError if the holder has no such challenge."""
    with context.store.write() as transaction:
        taken = passkeys.take_challenge(
            transaction, tokens.hash_of(challenge.hex()), tokens.hash_of(holder), context.clock()
        )
    if not taken:
        raise ValueError("the challenge is not one of this holder's")


def _refused() -> Unauthenticated:
    return Unauthenticated("This passkey opens no account here. Try again, or use your password.")


def _no_such() -> NotFound:
    return NotFound("You have no such passkey.")
