"""Tickets of links and of log-ins that wait for a code: random, stored as hashes, valid once and for a limited time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import Connection

from appliance.model.errors import NotFound
from appliance.model.organization import Member
from appliance.service import tokens
from appliance.service.context import Context
from appliance.store import people, tickets
from appliance.store.tickets import TicketKind

RESETS = (TicketKind.RESET, TicketKind.MAILED_RESET)
LIFETIMES: Mapping[TicketKind, timedelta] = {
    TicketKind.RESET: timedelta(hours=1),
    TicketKind.MAILED_RESET: timedelta(hours=1),
    TicketKind.VERIFICATION: timedelta(days=3),
    TicketKind.LOG_IN: timedelta(minutes=5),
}

# Several browsers may wait for a code at the same time.
_MOST_OF_ONE: Mapping[TicketKind, int] = {
    TicketKind.RESET: 1,
    TicketKind.MAILED_RESET: 1,
    TicketKind.VERIFICATION: 1,
    TicketKind.LOG_IN: 10,
}


def issue(context: Context, transaction: Connection, member: Member, kind: TicketKind) -> str:
    """Issue a ticket, which is valid once the transaction has committed.

    A new link ends the member's older ones of its kind; the two kinds of reset links end each other.
    """
    token = tokens.new_token(tokens.TICKET)
    now = context.clock()
    tickets.forget_ended(transaction, now)
    tickets.keep_latest(transaction, member.id, kind, _MOST_OF_ONE[kind] - 1)
    if kind in RESETS:
        tickets.drop(transaction, member.id, *(other for other in RESETS if other is not kind))
    tickets.create(transaction, tokens.hash_of(token), member.id, kind, now + LIFETIMES[kind])
    return token


def holder(context: Context, transaction: Connection, token: str, kind: TicketKind) -> Member:
    """Find a ticket's member; the ticket stays valid.

    Raises:
        NotFound: there is no such ticket, it was used, or its time is over.
    """
    member_id = tickets.member_id_of(transaction, tokens.hash_of(token), kind, context.clock())
    member = None if member_id is None else people.by_id(transaction, member_id)
    if member is None:
        raise _not_good()
    return member


def use(context: Context, transaction: Connection, token: str, kind: TicketKind) -> Member:
    """Use a ticket up, and find its member.

    Raises:
        NotFound: there is no such ticket, it was used, or its time is over.
    """
    member = holder(context, transaction, token, kind)
    if not tickets.use(transaction, tokens.hash_of(token)):
        raise _not_good()
    return member


def _not_good() -> NotFound:
    return NotFound("This link was used already, or its time is over. Ask for another one.")
