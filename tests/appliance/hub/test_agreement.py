"""Store and data plane are one again, wherever somebody was cut off who changed the one and not yet the other."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from appliance.hub.agreement import Agreement
from appliance.hub.findings import Part, Repair
from appliance.model.desired import Desired
from appliance.model.policy import Action, Policy
from appliance.service import Actor, Workplace, machines, suspension
from appliance.service import policy as policies
from appliance.store import Store, organizations
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub


@pytest.fixture
def repairs() -> list[Repair]:
    """What was settled."""
    return []


@pytest.fixture
def agreement(store: Store, hub: FakeHub, repairs: list[Repair]) -> Agreement:
    return Agreement(store, lambda: dict(hub.enforced), hub.apply, hub.remove, repairs.append)


def stored(store: Store, owner: Actor) -> Desired | None:
    with store.read() as transaction:
        return organizations.desired(transaction, owner.organization_id)


def test_what_nobody_was_promised_is_taken_back(
    agreement: Agreement, repairs: list[Repair], workplace: Workplace, store: Store, hub: FakeHub, owner: Actor
) -> None:
    policies.save(workplace, owner, Policy(Action.DENY))
    agreement.look(doubtful=False)
    # As of a web process that was killed between the two steps of a save.
    hub.apply(replace(hub.enforced[owner.organization_id], policy=Policy(Action.ALLOW)))
    agreement.look(doubtful=False)
    assert not repairs
    agreement.look(doubtful=False)
    assert hub.enforced[owner.organization_id] == stored(store, owner)
    assert [(repair.organization, repair.found[0].part) for repair in repairs] == [(owner.organization_id, Part.STATE)]
    agreement.look(doubtful=True)
    assert len(repairs) == 1


def test_who_may_have_been_killed_is_not_given_a_second_look(
    agreement: Agreement, repairs: list[Repair], store: Store, hub: FakeHub, owner: Actor
) -> None:
    hub.enforced.clear()
    agreement.look(doubtful=True)
    assert hub.enforced == {owner.organization_id: stored(store, owner)}
    assert len(repairs) == 1


def test_what_the_store_has_none_of_is_removed(
    agreement: Agreement, workplace: Workplace, store: Store, hub: FakeHub, owner: Actor
) -> None:
    other = sign_up(workplace, "other@example.net")
    with store.write() as transaction:
        organizations.remove(transaction, other.organization_id)
    agreement.look(doubtful=True)
    assert set(hub.enforced) == {owner.organization_id}


def test_a_sign_up_or_a_deletion_under_way_is_let_be(
    agreement: Agreement, store: Store, hub: FakeHub, owner: Actor, repairs: list[Repair]
) -> None:
    with store.write() as transaction:
        transaction.exec_driver_sql("UPDATE organizations SET active = false")
    before = dict(hub.enforced)
    for _ in range(2):
        agreement.look(doubtful=True)
    assert (hub.enforced, repairs) == (before, [])
    hub.enforced.clear()
    agreement.look(doubtful=True)
    assert (hub.enforced, repairs) == ({}, [])
    assert owner


def test_a_change_under_way_is_waited_for(
    agreement: Agreement, repairs: list[Repair], workplace: Workplace, store: Store, hub: FakeHub, owner: Actor
) -> None:
    """In the middle of a change the two differ, and whoever settled that would undo what is about to be promised."""
    looked, apply = threading.Thread(target=agreement.look, kwargs={"doubtful": True}), hub.apply

    def apply_slowly(desired: Desired) -> None:
        apply(desired)
        looked.start()
        # It compares, and then waits for the organization that this change has.
        looked.join(0.2)
        assert looked.is_alive()

    hub.apply = apply_slowly  # type: ignore[method-assign]
    machines.add(workplace, owner, name="mumbai")
    hub.apply = apply  # type: ignore[method-assign]
    looked.join()
    assert not repairs
    assert hub.enforced[owner.organization_id] == stored(store, owner)


def test_keys_that_were_sealed_anew_are_the_same_keys(
    agreement: Agreement, repairs: list[Repair], store: Store, owner: Actor
) -> None:
    with store.write() as transaction:
        organizations.replace_data_key(transaction, owner.organization_id, b"sealed anew")
    agreement.look(doubtful=True)
    assert not repairs


def test_it_goes_round_by_itself_when_a_caller_is_gone(
    agreement: Agreement, workplace: Workplace, hub: FakeHub, owner: Actor
) -> None:
    settled = threading.Event()
    apply = hub.apply

    def noted(desired: Desired) -> None:
        apply(desired)
        settled.set()

    agreement.start()
    try:
        agreement._enforce = noted
        hub.enforced.clear()
        agreement.hurry()
        assert settled.wait(10)
    finally:
        agreement.stop()
    assert owner.organization_id in hub.enforced
    assert workplace


def test_what_is_suspended_is_wanted_by_nobody(
    agreement: Agreement, repairs: list[Repair], workplace: Workplace, hub: FakeHub, owner: Actor
) -> None:
    enforced = dict(hub.enforced)
    agreement.look(doubtful=True)
    suspension.suspend(workplace, owner.organization_id)
    agreement.look(doubtful=True)
    assert not hub.enforced
    assert not repairs
    # As of a hub that read the store just before, and made the organization just after it had been removed.
    hub.enforced |= enforced
    agreement.look(doubtful=True)
    assert not hub.enforced
    suspension.resume(workplace, owner.organization_id)
    agreement.look(doubtful=True)
    assert hub.enforced == enforced
    assert len(repairs) == 1
