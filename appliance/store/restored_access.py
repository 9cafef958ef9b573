"""Access that a restored store would give again, and the end of access that it must not give.

An operator's command uses it while no service runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from appliance.model.ids import new_revision
from appliance.model.organization import Machine, Role
from appliance.store import api_tokens, machines, passkeys, second_factors, times
from appliance.store.api_tokens import ApiToken
from appliance.store.overview import OrganizationSummary, summaries
from appliance.store.schema import (
    audit,
    challenges,
    factor_removals,
    invitations,
    mail,
    members,
    operations,
    operator_links,
    operator_sessions,
    organizations,
    permits,
    reset_requests,
    sessions,
    tickets,
)
from appliance.store.schema import machines as _machines

ENDED = (
    sessions,
    tickets,
    invitations,
    permits,
    reset_requests,
    challenges,
    factor_removals,
    operator_links,
    operator_sessions,
)
"""Tables of temporary access, and of removals of second factors, all of which end with a restore.

A removal may have been stopped after the backup. The operator can begin it again.
"""

_PAGE = 1000
_NOTICES = ("notice", "factor-removal")


@dataclass(frozen=True)
class RestoredMember:
    """A member, with their ways to sign in besides the password."""

    email: str
    role: Role
    has_second_factor: bool
    recovery_codes: int
    passkeys: Sequence[str]


@dataclass(frozen=True)
class RestoredOrganization:
    """An organization with its machines and members' access after the restore."""

    line: OrganizationSummary
    machines: Sequence[Machine]
    people: Sequence[RestoredMember]
    tokens: Sequence[ApiToken]


def restored_organizations(transaction: Connection, now: datetime) -> Iterator[RestoredOrganization]:
    """Organizations, oldest first, with tokens that have not expired."""
    for line in summaries(transaction):
        yield RestoredOrganization(
            line,
            _all_machines(transaction, line.id),
            [_person(transaction, row) for row in _members(transaction, line.id)],
            [each for each in _all_tokens(transaction, line.id) if each.expires_at > now],
        )


def newest(transaction: Connection) -> datetime | None:
    """Time of the latest event in the store; None if there is none."""
    moments = [
        transaction.execute(select(func.max(column))).scalar_one()
        for column in (audit.c.at, operations.c.at, sessions.c.last_seen_at, operator_sessions.c.last_seen_at)
    ]
    known = [each for each in moments if each is not None]
    return times.loaded(max(known)) if known else None


def end_access(transaction: Connection) -> int:
    """End all sessions, tickets, links and removals, and drop letters with links; returns the number of removed rows.

    Notices stay in the queue: they have no link, and a notice sent twice is better than none.
    """
    transaction.execute(delete(mail).where(mail.c.kind.not_in(_NOTICES)))
    return sum(transaction.execute(delete(table)).rowcount for table in ENDED)


def disable_machines(transaction: Connection, organization_id: str) -> int:
    """Disable the organization's machines; returns the number of machines that were enabled."""
    enabled = (_machines.c.organization_id == organization_id) & _machines.c.enabled
    return transaction.execute(update(_machines).where(enabled).values(enabled=False)).rowcount


def revise(transaction: Connection, organization_id: str) -> None:
    """Change the organization's revision, so that no hub takes its cached state for the present one."""
    transaction.execute(
        update(organizations).where(organizations.c.id == organization_id).values(revision=new_revision())
    )


def _all_machines(transaction: Connection, organization_id: str) -> list[Machine]:
    result: list[Machine] = []
    while page := machines.page_of(
        transaction, organization_id, after=result[-1].address if result else None, limit=_PAGE
    ):
        result += page
    return result


def _all_tokens(transaction: Connection, organization_id: str) -> list[ApiToken]:
    result: list[ApiToken] = []
    while page := api_tokens.page_of(
        transaction, organization_id, member_id=None, after=result[-1].id if result else None, limit=_PAGE
    ):
        result += page
    return result


def _members(transaction: Connection, organization_id: str) -> Sequence[Any]:
    query = select(members.c.id, members.c.email, members.c.role).where(members.c.organization_id == organization_id)
    return transaction.execute(query.order_by(members.c.created_at, members.c.id)).all()


def _person(transaction: Connection, row: Any) -> RestoredMember:
    factor = second_factors.find(transaction, row.id)
    return RestoredMember(
        row.email,
        Role(row.role),
        factor is not None and factor.enabled,
        second_factors.recovery_codes_left(transaction, row.id),
        [each.name for each in passkeys.of_member(transaction, row.id)],
    )
