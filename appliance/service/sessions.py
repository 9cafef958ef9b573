"""Sessions: opened, listed, and ended one by one or all together.

A session is a random token; the store keeps only its hash. Any change of a member's password, second factor or passkeys
ends all their sessions, and opens a new one for the caller.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from appliance.model.errors import NotFound, Suspended, Unauthenticated, Unavailable
from appliance.model.organization import Member
from appliance.service import credentials, tokens
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.recording import recording
from appliance.service.standing import GONE, SUSPENDED
from appliance.store import organizations, sessions, tickets
from appliance.store.session_table import ClientDevice
from appliance.store.tickets import TicketKind

IDLE = credentials.IDLE
ABSOLUTE = timedelta(days=14)
MOST_OF_ONE = 100
"""Most sessions of a member; beyond, a new session ends the least recently used one."""
_NOTED_EVERY = timedelta(minutes=1)

NOWHERE = ClientDevice("", "")
"""Device of a session whose origin is unknown."""


@dataclass(frozen=True)
class Session:
    """A new session with its token, which can't be read again."""

    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class OpenSession:
    """A session as its owner sees it.

    Attributes:
        id: identifies the session, and is no secret.
        device: the device that opened it.
        last_seen_at: accurate to the minute.
        expires_at: when it ends at the latest; unused it ends earlier.
        is_current: True for the caller's session.
    """

    id: str
    device: ClientDevice
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    is_current: bool


def begin(context: Context, transaction: Connection, member: Member, device: ClientDevice) -> Session:
    """Open a session of a member; it is valid once the transaction has committed.

    Raises:
        Unauthenticated: the organization was removed.
        Suspended: the organization is suspended.
    """
    # Locked: a suspension ends every session, and none may begin at the same time.
    organization = organizations.find_locked(transaction, member.organization_id)
    if organization is None:
        raise Unauthenticated(GONE)
    if organization.suspended_at is not None:
        raise Suspended(SUSPENDED)
    token = tokens.new_token()
    now = context.clock()
    session = Session(token, now + ABSOLUTE)
    sessions.forget_ended(transaction, now, now - IDLE)
    sessions.keep_latest(transaction, member.id, MOST_OF_ONE - 1)
    sessions.create(transaction, member.id, tokens.hash_of(token), device, now, session.expires_at)
    return session


def end_every(transaction: Connection, member: Member) -> None:
    """End every session of a member, and the links and log-ins that would lead to one."""
    sessions.end_all(transaction, member.id)
    tickets.drop(transaction, member.id, TicketKind.RESET, TicketKind.MAILED_RESET, TicketKind.LOG_IN)


def start_over(context: Context, transaction: Connection, member: Member, device: ClientDevice) -> Session:
    """End every session of a member and open a new one, after a change of their credentials."""
    end_every(transaction, member)
    return begin(context, transaction, member, device)


def holder(context: Context, token: str, *, is_use: bool = True) -> Member:
    """Find the member of a session, and note that the session is in use.

    Args:
        is_use: False for what a page asks for by itself, which does not keep the session from ending for lack of use.

    Raises:
        Unauthenticated: there is no such session, or it has ended.
    """
    now = context.clock()
    token_hash = tokens.hash_of(token)
    with context.store.read() as transaction:
        found = sessions.find(transaction, token_hash, now, now - IDLE)
    if found is None:
        raise Unauthenticated("This session has ended. Sign in again.")
    member, seen = found
    if is_use and now - seen > _NOTED_EVERY:
        # Reading goes on while the disk is full.
        with suppress(Unavailable), context.store.write() as transaction:
            sessions.touch(transaction, token_hash, now)
    return member


def all_of(context: Context, actor: Actor, token: str) -> list[OpenSession]:
    """List the actor's sessions, last used first.

    Args:
        token: of the caller's session.
    """
    now = context.clock()
    current = tokens.hash_of(token)
    with context.store.read() as transaction:
        found = sessions.of_member(transaction, actor.member_id, now, now - IDLE)
    return [
        OpenSession(
            sessions.id_of(each.token_hash),
            each.device,
            each.created_at,
            each.last_seen_at,
            each.expires_at,
            each.token_hash == current,
        )
        for each in found
    ]


def log_out(context: Context, token: str) -> None:
    """End the session of a token."""
    with context.store.write() as transaction:
        sessions.close(transaction, tokens.hash_of(token))


def end(context: Context, actor: Actor, session_id: str) -> None:
    """End one of the actor's sessions, which may be the caller's.

    Raises:
        NotFound: the actor has no such session.
    """
    with recording(context, actor) as record:
        if not sessions.end(record.transaction, actor.member_id, session_id):
            raise NotFound("You have no such session; it may have ended.")
        record.note("session.ended", sessions=1)


def end_others(context: Context, actor: Actor, token: str) -> int:
    """End every session of the actor's but the one with this token; returns their number."""
    with recording(context, actor) as record:
        ended = sessions.end_all(record.transaction, actor.member_id, but=tokens.hash_of(token))
        if ended:
            record.note("session.ended", sessions=ended)
        else:
            record.leave_no_entry()
    return ended
