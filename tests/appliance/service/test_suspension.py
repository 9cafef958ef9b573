"""A suspended organization is stored and not enforced, and nobody of it may do anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection

from appliance.model.errors import Conflict, NotEnforced, NotFound, Suspended, Unauthenticated
from appliance.model.organization import Plan
from appliance.service import (
    Actor,
    Workplace,
    accounts,
    api_tokens,
    invitations,
    log_in,
    machines,
    organizations,
    suspension,
)
from appliance.store import Store
from appliance.store import organizations as stored
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub
from tests.appliance.members import sign_in

PASSWORD = "correct horse battery"


def test_it_is_off_the_data_plane_and_comes_back_as_it_was(workplace: Workplace, owner: Actor, hub: FakeHub) -> None:
    other = sign_up(workplace, "other@example.net")
    machines.add(workplace, owner, name="one")
    before = dict(hub.enforced)
    suspension.suspend(workplace, owner.organization_id)
    assert set(hub.enforced) == {other.organization_id}
    with workplace.store.read() as transaction:
        assert stored.enforced_ids(transaction) == [other.organization_id]
        assert stored.count_enforced(transaction) == 1
        assert stored.count(transaction) == 2
    suspension.resume(workplace, owner.organization_id)
    assert hub.enforced == before


def test_nobody_gets_in_and_the_reason_is_told(workplace: Workplace, owner: Actor) -> None:
    session = sign_in(workplace, owner.member_id)
    program = api_tokens.issue(workplace, owner, password=PASSWORD, name="ci", scope="read").text
    link = invitations.invite(workplace, owner, email="ravi@example.net", role="viewer").link
    assert link is not None
    suspension.suspend(workplace, owner.organization_id)
    with pytest.raises(Unauthenticated):
        accounts.actor_of(workplace, session)
    for wish in (
        lambda: log_in.at_once(workplace, email=owner.email, password=PASSWORD),
        lambda: api_tokens.holder(workplace, program),
        lambda: invitations.accept(workplace, token=link.rpartition("/")[2], password=PASSWORD),
        # Whoever was let in just before.
        lambda: machines.add(workplace, owner, name="one"),
    ):
        with pytest.raises(Suspended, match="operator"):
            wish()
    # A stranger is not told.
    with pytest.raises(Unauthenticated):
        log_in.at_once(workplace, email=owner.email, password="another one")
    suspension.resume(workplace, owner.organization_id)
    assert log_in.at_once(workplace, email=owner.email, password=PASSWORD)
    assert api_tokens.holder(workplace, program)


def test_the_trail_tells_whose_doing_it_was(workplace: Workplace, owner: Actor) -> None:
    suspension.suspend(workplace, owner.organization_id)
    organizations.change(workplace, Actor.operator(owner.organization_id), plan="paid")
    suspension.resume(workplace, owner.organization_id)
    entries, _ = organizations.trail(workplace, owner)
    assert [(entry.actor, entry.action) for entry in entries[:3]] == [
        ("operator", "organization.resumed"),
        ("operator", "organization.changed"),
        ("operator", "organization.suspended"),
    ]
    assert organizations.get(workplace, owner).plan is Plan.PAID


def test_twice_is_once_too_often(workplace: Workplace, owner: Actor) -> None:
    with pytest.raises(Conflict):
        suspension.resume(workplace, owner.organization_id)
    suspension.suspend(workplace, owner.organization_id)
    with pytest.raises(Conflict):
        suspension.suspend(workplace, owner.organization_id)
    with pytest.raises(NotFound):
        suspension.suspend(workplace, "nosuchorgan")


def test_what_the_data_plane_refuses_has_not_happened(workplace: Workplace, owner: Actor, hub: FakeHub) -> None:
    hub.refuses = True
    with pytest.raises(NotEnforced):
        suspension.suspend(workplace, owner.organization_id)
    hub.refuses = False
    assert organizations.get(workplace, owner).suspended_at is None
    suspension.suspend(workplace, owner.organization_id)
    hub.refuses = True
    with pytest.raises(NotEnforced):
        suspension.resume(workplace, owner.organization_id)
    assert organizations.get(workplace, owner).suspended_at is not None


def test_what_the_store_refuses_is_taken_back_from_the_data_plane(
    workplace: Workplace, owner: Actor, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
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
            suspension.suspend(workplace, owner.organization_id)
    assert hub.enforced == enforced
    suspension.suspend(workplace, owner.organization_id)
    with monkeypatch.context() as patched:
        patched.setattr(Store, "write", refusing)
        with pytest.raises(RuntimeError):
            suspension.resume(workplace, owner.organization_id)
    assert hub.enforced == {}
