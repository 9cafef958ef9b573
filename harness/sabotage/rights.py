"""Sabotages of what roles and API tokens may do, and of when that ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from appliance.model.access import Access, Scope
from appliance.model.organization import Member, Role
from appliance.service import sessions as service_sessions
from appliance.store import api_tokens, invitations, members, people, sessions, tickets
from appliance.store.invitations import Invitation

_check = Access.check
_create, _end_all, _by_link = people.create, sessions.end_all, invitations.by_link


def let_admins_manage() -> None:
    """Lets admins do what owners may."""

    def check(self: Access, role: Role, scope: Scope | None) -> None:
        _check(self, Role.OWNER if role is Role.ADMIN else role, scope)

    Access.check = check  # type: ignore[method-assign]


def take_tokens_for_sessions() -> None:
    """Lets an API token do what needs a session."""

    def check(self: Access, role: Role, scope: Scope | None) -> None:
        _check(self, role, None if self.scope is None else scope)

    Access.check = check  # type: ignore[method-assign]


def make_everybody_owner() -> None:
    """Makes an owner of everybody who accepts an invitation."""

    def create(transaction: Connection, member: Member, now: datetime) -> None:
        _create(transaction, replace(member, role=Role.OWNER), now)

    people.create = create


def keep_revoked_tokens() -> None:
    """Keeps API tokens that are revoked."""

    def remove(transaction: Connection, token_id: str) -> None:
        del transaction, token_id

    api_tokens.remove = remove


def keep_other_sessions() -> None:
    """Keeps the sessions that their member ends from another one."""

    def end_all(transaction: Connection, holder: str, but: str | None = None) -> int:
        return _end_all(transaction, holder) if but is None else 0

    sessions.end_all = end_all


def keep_invitations() -> None:
    """Keeps the invitations of owners who are owners no more."""

    def remove_all_of(transaction: Connection, organization_id: str, invited_by: str) -> int:
        del transaction, organization_id, invited_by
        return 0

    invitations.remove_all_of = remove_all_of


def let_links_live_on() -> None:
    """Takes links of invitations after their days."""

    def by_link(transaction: Connection, token_hash: str, now: datetime) -> Invitation | None:
        return _by_link(transaction, token_hash, now - timedelta(days=365))

    invitations.by_link = by_link


def keep_used_links() -> None:
    """Keeps links of password resets that were used."""

    def use(transaction: Connection, token_hash: str) -> bool:
        del transaction, token_hash
        return True

    def end_every(transaction: Connection, member: Member) -> None:
        _end_all(transaction, member.id)

    tickets.use = use
    # It drops the member's links, too.
    service_sessions.end_every = end_every


def let_the_last_owner_go() -> None:
    """Lets the last owner of an organization leave, or get another role."""
    count_by_role = members.count_by_role

    def count(transaction: Connection, organization_id: str, role: Role) -> int:
        return count_by_role(transaction, organization_id, role) + 1

    members.count_by_role = count
