"""A suspended organization is stored and not enforced, and its members have no access."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection

from appliance.model.errors import Conflict, NotEnforced, NotFound, Suspended, Unauthenticated
from appliance.model.organization import Plan
from appliance.model.policy import ANYONE, Action, Policy, Rule, Selector, SelectorKind
from appliance.service import (
    Actor,
    Context,
    accounts,
    api_tokens,
    invitations,
    log_in,
    machines,
    organizations,
    suspension,
)
from appliance.service import policy as policies
from appliance.store import Store
from appliance.store import organizations as stored
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD, sign_in


def test_a_suspended_organization_comes_back_as_it_was(context: Context, owner: Actor, hub: FakeHub) -> None:
    other = sign_up(context, "other@example.net")
    one, two = (machines.add(context, owner, name=name, groups=["red", name]).machine.id for name in ("one", "two"))
    machines.change(context, owner, two, enabled=False)
    ends = [Selector(SelectorKind.MACHINE, one), Selector(SelectorKind.GROUP, "red"), ANYONE]
    rules = tuple(Rule(f"r{at}", Action.ALLOW, ends[0], each) for at, each in enumerate(ends))
    policies.save(context, owner, Policy(Action.DENY, rules))
    before, policy = dict(hub.enforced), policies.get(context, owner)
    suspension.suspend(context, Actor.operator(owner.organization_id))
    assert set(hub.enforced) == {other.organization_id}
    with context.store.read() as transaction:
        assert stored.enforced_ids(transaction) == [other.organization_id]
        assert stored.count_enforced(transaction) == 1
        assert stored.count(transaction) == 2
    suspension.resume(context, Actor.operator(owner.organization_id))
    assert hub.enforced == before
    assert policies.get(context, owner) == policy
    assert not machines.get(context, owner, two).machine.enabled


def test_members_are_refused_and_told_of_the_suspension(context: Context, owner: Actor) -> None:
    session = sign_in(context, owner.member_id)
    program = api_tokens.issue(context, owner, password=PASSWORD, name="ci", scope="read").text
    link = invitations.invite(context, owner, email="ravi@example.net", role="viewer").link
    assert link is not None
    suspension.suspend(context, Actor.operator(owner.organization_id))
    with pytest.raises(Unauthenticated):
        accounts.actor_of(context, session)
    for wish in (
        lambda: log_in.log_in(context, email=owner.email, password=PASSWORD),
        lambda: api_tokens.holder(context, program),
        lambda: invitations.accept(context, token=link.rpartition("/")[2], password=PASSWORD),
        # Whoever was let in just before.
        lambda: machines.add(context, owner, name="one"),
    ):
        with pytest.raises(Suspended, match="operator"):
            wish()
    # A stranger is not told.
    with pytest.raises(Unauthenticated):
        log_in.log_in(context, email=owner.email, password="another one")
    suspension.resume(context, Actor.operator(owner.organization_id))
    assert log_in.log_in(context, email=owner.email, password=PASSWORD)
    assert api_tokens.holder(context, program)


def test_a_suspension_is_in_the_trail_as_the_operator_s(context: Context, owner: Actor) -> None:
    suspension.suspend(context, Actor.operator(owner.organization_id))
    organizations.change(context, Actor.operator(owner.organization_id), plan="paid")
    suspension.resume(context, Actor.operator(owner.organization_id))
    entries, _ = organizations.trail(context, owner)
    assert [(entry.actor, entry.action) for entry in entries[:3]] == [
        ("operator", "organization.resumed"),
        ("operator", "organization.changed"),
        ("operator", "organization.suspended"),
    ]
    assert organizations.get(context, owner).plan is Plan.PAID


def test_suspending_twice_is_refused(context: Context, owner: Actor) -> None:
    with pytest.raises(Conflict):
        suspension.resume(context, Actor.operator(owner.organization_id))
    suspension.suspend(context, Actor.operator(owner.organization_id))
    with pytest.raises(Conflict):
        suspension.suspend(context, Actor.operator(owner.organization_id))
    with pytest.raises(NotFound):
        suspension.suspend(context, Actor.operator("nosuchorgan"))


def test_a_refusal_by_the_data_plane_leaves_the_state(context: Context, owner: Actor, hub: FakeHub) -> None:
    hub.refuses = True
    with pytest.raises(NotEnforced):
        suspension.suspend(context, Actor.operator(owner.organization_id))
    hub.refuses = False
    assert organizations.get(context, owner).suspended_at is None
    suspension.suspend(context, Actor.operator(owner.organization_id))
    hub.refuses = True
    with pytest.raises(NotEnforced):
        suspension.resume(context, Actor.operator(owner.organization_id))
    assert organizations.get(context, owner).suspended_at is not None


def test_a_refusal_by_the_store_is_undone_in_the_data_plane(
    context: Context, owner: Actor, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Store.write

    @contextmanager
    def refusing(store: Store) -> Iterator[Connection]:
        with whole(store) as transaction:
            yield transaction
            raise RuntimeError("the disk is full")

    enforced = dict(hub.enforced)
    with monkeypatch.context() as patched:
        patched.setattr(Store, "write", refusing)
        with pytest.raises(RuntimeError):
            suspension.suspend(context, Actor.operator(owner.organization_id))
    assert hub.enforced == enforced
    suspension.suspend(context, Actor.operator(owner.organization_id))
    with monkeypatch.context() as patched:
        patched.setattr(Store, "write", refusing)
        with pytest.raises(RuntimeError):
            suspension.resume(context, Actor.operator(owner.organization_id))
    assert hub.enforced == {}
