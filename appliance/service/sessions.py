"""Sessions: opened by whoever proved who they are, listed, and ended one by one or all together.

A session is a random token that only its holder has; the store keeps its hash. Whatever changes how somebody proves who
they are ends every session of theirs, and gives the one that asked a token that nobody has seen yet.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from appliance.model.errors import NotFound, Suspended, Unauthenticated, Unavailable
from appliance.model.organization import Member
from appliance.service import credentials, tokens
from appliance.service.context import SUSPENDED, Actor, Context, recording
from appliance.store import organizations, sessions, tickets
from appliance.store.sessions import ClientDevice
from appliance.store.tickets import TicketKind

IDLE = credentials.IDLE
ABSOLUTE = timedelta(days=14)
MOST_OF_ONE = 100
"""Sessions of one member: where another begins, the one that was not used for longest ends."""
_NOTED_EVERY = timedelta(minutes=1)

NOWHERE = ClientDevice("", "")
"""Where nobody knows from what a session is opened."""


@dataclass(frozen=True)
class Session:
    """A session that was just opened; the token is shown here and never again."""

    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class OpenSession:
    """A session as its owner sees it.

    Attributes:
        id: names it, and lets nobody in.
        device: what it was opened from.
        last_seen_at: to the minute.
        expires_at: when it ends in any case; unused it ends earlier.
        is_current: whether it is the one that asks.
    """

    id: str
    device: ClientDevice
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    is_current: bool


def begin(context: Context, transaction: Connection, member: Member, device: ClientDevice) -> Session:
    """A new session of this member; it is there once the transaction commits.

    Raises:
        Unauthenticated: the organization is gone.
        Suspended: nobody of it signs in now.
    """
    # Locked: an organization that is being suspended ends every session, and none may begin beside that.
    organization = organizations.find_locked(transaction, member.organization_id)
    if organization is None:
        raise Unauthenticated("This organization does not exist any more.")
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
    """Ends every session of this member, and what would lead to one."""
    sessions.end_all(transaction, member.id)
    tickets.drop(transaction, member.id, TicketKind.RESET, TicketKind.MAILED_RESET, TicketKind.LOG_IN)


def start_over(context: Context, transaction: Connection, member: Member, device: ClientDevice) -> Session:
    """Ends every session of this member and begins a new one: how they prove who they are is another way now."""
    end_every(transaction, member)
    return begin(context, transaction, member, device)


def holder(context: Context, token: str) -> Member:
    """Whose session this is; it is in use, and does not count as idle.

    Raises:
        Unauthenticated: there is no such session, or it ended.
    """
    now = context.clock()
    token_hash = tokens.hash_of(token)
    with context.store.read() as transaction:
        found = sessions.find(transaction, token_hash, now, now - IDLE)
    if found is None:
        raise Unauthenticated("This session has ended. Sign in again.")
    member, seen = found
    if now - seen > _NOTED_EVERY:
        # Who only wants to look still may where the disk is full.
        with suppress(Unavailable), context.store.write() as transaction:
            sessions.touch(transaction, token_hash, now)
    return member


def all_of(context: Context, actor: Actor, token: str) -> list[OpenSession]:
    """The actor's sessions that have not ended, the one last used first; ``token`` is of the one that asks."""
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
    """Ends the session of this token."""
    with context.store.write() as transaction:
        sessions.close(transaction, tokens.hash_of(token))


def end(context: Context, actor: Actor, session_id: str) -> None:
    """Ends one of the actor's sessions, which may be the one that asks.

    Raises:
        NotFound: there is no such session of theirs.
    """
    with recording(context, actor) as record:
        if not sessions.end(record.transaction, actor.member_id, session_id):
            raise NotFound("You have no such session; it may have ended.")
        record.note("session.ended", sessions=1)


def end_others(context: Context, actor: Actor, token: str) -> int:
    """Ends every session of the actor's but the one with this token; tells how many there were."""
    with recording(context, actor) as record:
        ended = sessions.end_all(record.transaction, actor.member_id, but=tokens.hash_of(token))
        if ended:
            record.note("session.ended", sessions=ended)
    return ended
