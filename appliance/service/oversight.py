"""Operators' view of organizations, and decisions about them, on the pages. The organizations' trails tell of both.

A decision takes a fresh code of the operator's second factor, which permits it and nothing else: whoever has a session
only can look. A code is examined first (`operator_sessions.permit`), and a decision that is refused uses up none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from appliance.model import ports
from appliance.model.errors import Invalid, NotFound
from appliance.service import invitations, operator_sessions, pages, permits, suspension, unused
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.invitations import Invited
from appliance.service.operator_sessions import SignedOperator
from appliance.service.recording import recording
from appliance.service.standing import organization_of
from appliance.store import audit, machines, mail, operations, organizations, overview, size
from appliance.store import permits as stored_permits
from appliance.store import unused as stored_unused
from appliance.store.operations import OperatorCommand
from appliance.store.overview import OrganizationSize
from appliance.store.permits import SignUpLink
from appliance.store.revision import NEWEST, revision

LONGEST_QUERY = 100
LOG_ENTRIES = 100_000
"""Entries of the log of operations that are kept; an operator adds 2,000 a day at most."""
MOST_LINKS = 100
"""Sign-up links that the pages list; commands list all."""
_SEEN_EVERY = timedelta(hours=1)


def page(
    context: Context, *, query: str = "", after: str | None = None, limit: int = 50
) -> tuple[Sequence[OrganizationSize], str | None]:
    """List a page of organizations, oldest first.

    Args:
        query: part of a name, or an id.
        after: as the page before returned it.

    Returns:
        The page, and the ``after`` of the next one (None: it is the last).

    Raises:
        Invalid: the query is too long.
    """
    if len(query) > LONGEST_QUERY:
        raise Invalid("A search has at most {longest} characters.", field="query", longest=LONGEST_QUERY)
    with context.store.read() as transaction:
        return pages.cut(
            lambda count: overview.page_of(transaction, query=query.strip(), after=after, limit=count),
            limit,
            lambda each: each.summary.id,
        )


def look(context: Context, who: SignedOperator, organization_id: str) -> OrganizationSize:
    """Look at one organization; its audit trail and the log of operations tell of it, once an hour.

    Raises:
        NotFound: there is no such organization.
        Unauthenticated: the session has ended.
        Unavailable: it can't be recorded.
    """
    with context.store.read() as transaction:
        found = overview.find(transaction, organization_id)
        if found is None:
            raise NotFound("There is no such organization.")
    actor, now = actor_for(who, organization_id), context.clock()
    with recording(context, actor) as record:
        seen = (operations.VIEWED,)
        if audit.count_since(record.transaction, organization_id, actor.name, seen, now - _SEEN_EVERY, now):
            record.leave_no_entry()
        else:
            record.note(operations.VIEWED)
    return found


def suspend(context: Context, who: SignedOperator, organization_id: str, *, code: str | None) -> None:
    """Suspend an organization (`suspension.suspend`)."""
    suspension.suspend(context, _permitted(context, who, organization_id, code))


def resume(context: Context, who: SignedOperator, organization_id: str, *, code: str | None) -> None:
    """Resume a suspended organization (`suspension.resume`)."""
    suspension.resume(context, _permitted(context, who, organization_id, code))


def invite(
    context: Context, who: SignedOperator, organization_id: str, *, email: str, role: str, code: str | None
) -> Invited:
    """Invite a person into an organization (`invitations.invite`)."""
    return invitations.invite(context, _permitted(context, who, organization_id, code), email=email, role=role)


def _permitted(context: Context, who: SignedOperator, organization_id: str, code: str | None) -> Actor:
    actor = actor_for(who, organization_id)
    with context.store.read() as transaction:
        # Told before what is wrong with the code, the address or the role.
        organization_of(transaction, actor)
    return replace(actor, within=operator_sessions.permit(context, who, code))


def invite_sign_up(context: Context, who: SignedOperator, email: str | None) -> str:
    """Make a link to sign an organization up (`permits.invite`).

    Raises:
        Invalid: this is no e-mail address.
        Unauthenticated: the session has ended.
    """
    with context.store.write() as transaction:
        link = permits.invite_within(context, transaction, email, who.operator.email)
        operator_sessions.note_act(context, transaction, who, operations.SIGN_UP_INVITED)
        return link


def sign_up_links(context: Context) -> tuple[Sequence[SignUpLink], int]:
    """List the newest sign-up links that nobody has used, `MOST_LINKS` at most, and count all of them."""
    now = context.clock()
    with context.store.read() as transaction:
        return stored_permits.links(transaction, now, MOST_LINKS), stored_permits.count_links(transaction, now)


def revoke_sign_up(context: Context, who: SignedOperator, permit_id: str) -> None:
    """Revoke a sign-up link (`permits.revoke_within`), whoever made it.

    Raises:
        NotFound: there is no such link.
        Unauthenticated: the session has ended.
    """
    with context.store.write() as transaction:
        permits.revoke_within(context, transaction, permit_id)
        operator_sessions.note_act(context, transaction, who, operations.SIGN_UP_REVOKED)


def log(context: Context, limit: int) -> list[OperatorCommand]:
    """List what operators did, on the pages and by commands, newest first."""
    with context.store.read() as transaction:
        return operations.latest(transaction, limit)


def tidy_log(context: Context) -> int:
    """Remove the oldest entries of the log of operations beyond `LOG_ENTRIES`; returns their number."""
    with context.store.write() as transaction:
        return operations.trim(transaction, LOG_ENTRIES)


@dataclass(frozen=True)
class StoreFacts:
    """Facts about the service that the store has.

    Attributes:
        kind: name of the database.
        bytes: size of the database.
        free: bytes that are free on its disk; None for PostgreSQL.
        revision: of the schema; None if it has none.
        is_newest: True if the schema is the one of this version.
        unused: unused organizations, counted up to ``most_unused``, at which strangers can't sign up.
        ports: UDP ports that organizations have, of ``most_ports``.
        letters: letters that wait to be sent.
    """

    kind: str
    bytes: int
    free: int | None
    revision: str | None
    is_newest: bool
    machines: int
    unused: int
    most_unused: int
    ports: int
    most_ports: int
    letters: int


def store_facts(context: Context) -> StoreFacts:
    """Read the facts that the store has."""
    store, schema = context.store, revision(context.store)
    disk = size.disk_use(store)
    with store.read() as transaction:
        return StoreFacts(
            "SQLite" if store.is_sqlite else "PostgreSQL",
            disk.bytes,
            disk.free,
            schema,
            schema == NEWEST,
            machines.count(transaction),
            stored_unused.count(transaction, unused.MOST),
            unused.MOST,
            organizations.count_ports(transaction),
            ports.COUNT,
            mail.count(transaction),
        )


def actor_for(who: SignedOperator, organization_id: str) -> Actor:
    """Make the actor for an operator's work on an organization, with their session."""
    return Actor.operator(organization_id, who.credential, who.operator.email)
