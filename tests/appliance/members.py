"""Members and sessions for tests, created without the service's checks."""

from __future__ import annotations

from datetime import timedelta

from appliance.model.ids import new_id
from appliance.model.organization import Member, Role
from appliance.service import Actor, Context, accounts, passwords, tokens
from appliance.service.sessions import NOWHERE
from appliance.store import people, sessions

PASSWORD = "correct horse battery"
NEW_PASSWORD = "a password of their own"
"""Password of somebody who sets it by a link."""
OPERATORS_PASSWORD = "an operator's own words"


def join(context: Context, organization_id: str, role: Role) -> str:
    """Adds a member with this role and signs in; returns the session's token."""
    member = Member(new_id(), organization_id, f"{new_id()}@example.net", passwords.hash_password(PASSWORD), role)
    with context.store.write() as transaction:
        people.create(transaction, member, context.clock())
    return sign_in(context, member.id)


def sign_in(context: Context, member_id: str) -> str:
    """Signs a member in without the password; returns the session's token."""
    token, now = tokens.new_token(), context.clock()
    with context.store.write() as transaction:
        sessions.create(transaction, member_id, tokens.hash_of(token), NOWHERE, now, now + timedelta(hours=1))
    return token


def again(context: Context, actor: Actor) -> Actor:
    """Signs the actor in once more, in another session."""
    return accounts.actor_of(context, sign_in(context, actor.member_id))


def colleague(context: Context, owner: Actor, role: Role) -> Actor:
    """Adds a member with this role to the owner's organization."""
    return accounts.actor_of(context, join(context, owner.organization_id, role))
