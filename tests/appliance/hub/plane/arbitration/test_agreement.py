"""Store and data plane are brought into agreement after a caller that changed only one of them is gone."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import replace
from queue import Queue

import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs

from appliance.hub.errors import HubError
from appliance.hub.findings import DamagedPart, Repair
from appliance.hub.plane.agreement import Agreement
from appliance.hub.plane.arbiter import Arbiter
from appliance.model.policy import Action, Policy
from appliance.service import Actor, Context, machines, suspension
from appliance.service import policy as policies
from appliance.store import Store, organizations
from tests.appliance.conftest import sign_up
from tests.appliance.hub.arbitrated import ArbitratedHub, MadeUpPlane, stored
from tests.waiting import DEADLINE


@pytest.fixture
def repairs() -> list[Repair]:
    """Lists the repairs that the agreement reported."""
    return []


@pytest.fixture
def agreement(store: Store, plane: MadeUpPlane, arbiter: Arbiter, repairs: list[Repair]) -> Agreement:
    return Agreement(store, lambda: dict(plane.wanted), arbiter.settle, arbiter.stored, repairs.append)


def test_an_uncommitted_change_is_undone(
    agreement: Agreement, repairs: list[Repair], context: Context, store: Store, plane: MadeUpPlane, owner: Actor
) -> None:
    policies.save(context, owner, Policy(Action.DENY))
    agreement.look(doubtful=False)
    # As of a web process that was killed between the two steps of a save.
    plane.apply(replace(plane.wanted[owner.organization_id], policy=Policy(Action.ALLOW)))
    agreement.look(doubtful=False)
    assert not repairs
    agreement.look(doubtful=False)
    assert plane.wanted[owner.organization_id] == stored(store, owner)
    assert [(repair.organization, repair.found[0].part) for repair in repairs] == [
        (owner.organization_id, DamagedPart.STATE)
    ]
    agreement.look(doubtful=True)
    assert len(repairs) == 1


def test_a_change_of_a_killed_caller_is_settled_at_once(
    agreement: Agreement, repairs: list[Repair], store: Store, plane: MadeUpPlane, owner: Actor
) -> None:
    plane.wanted.clear()
    agreement.look(doubtful=True)
    assert plane.wanted == {owner.organization_id: stored(store, owner)}
    assert len(repairs) == 1


def test_an_organization_that_the_store_lacks_is_removed(
    agreement: Agreement, context: Context, store: Store, plane: MadeUpPlane, owner: Actor
) -> None:
    other = sign_up(context, "other@example.net")
    with store.write() as transaction:
        organizations.remove(transaction, other.organization_id)
    agreement.look(doubtful=True)
    assert set(plane.wanted) == {owner.organization_id}


def test_a_sign_up_or_deletion_in_progress_is_left_alone(
    agreement: Agreement, store: Store, plane: MadeUpPlane, owner: Actor, repairs: list[Repair]
) -> None:
    with store.write() as transaction:
        transaction.exec_driver_sql("UPDATE organizations SET active = false")
    before = dict(plane.wanted)
    for _ in range(2):
        agreement.look(doubtful=True)
    assert (plane.wanted, repairs) == (before, [])
    plane.wanted.clear()
    agreement.look(doubtful=True)
    assert (plane.wanted, repairs) == ({}, [])
    assert owner


def test_the_comparison_waits_for_a_change_in_progress(
    agreement: Agreement,
    repairs: list[Repair],
    context: Context,
    store: Store,
    hub: ArbitratedHub,
    plane: MadeUpPlane,
    owner: Actor,
) -> None:
    """Compares during a change, when store and data plane differ: settling that would undo the change."""

    def look() -> None:
        for doubtful in (True, False, False, True):
            agreement.look(doubtful=doubtful)
        assert len(plane.wanted[owner.organization_id].peers) == 1

    hub.applied = look
    machines.add(context, owner, name="mumbai")
    assert not repairs
    agreement.look(doubtful=True)
    assert not repairs
    assert plane.wanted[owner.organization_id] == stored(store, owner)


def test_resealed_keys_are_no_difference(
    agreement: Agreement, repairs: list[Repair], store: Store, owner: Actor
) -> None:
    with store.write() as transaction:
        organizations.replace_data_key(transaction, owner.organization_id, b"sealed anew")
    agreement.look(doubtful=True)
    assert not repairs


def test_a_caller_that_is_gone_starts_a_comparison(
    store: Store, arbiter: Arbiter, plane: MadeUpPlane, owner: Actor
) -> None:
    settled: Queue[Repair] = Queue()
    agreement = Agreement(store, lambda: dict(plane.wanted), arbiter.settle, arbiter.stored, settled.put)
    agreement.start()
    try:
        plane.wanted.clear()
        agreement.hurry()
        settled.get(timeout=DEADLINE)
    finally:
        agreement.stop()
    assert owner.organization_id in plane.wanted


def test_callers_that_come_and_go_take_a_part_of_the_time(
    store: Store, arbiter: Arbiter, plane: MadeUpPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ends connections all the time, as somebody with a stolen certificate of another host can."""
    rounds, read = list[float](), store.read

    def read_slowly() -> AbstractContextManager[Connection]:
        rounds.append(time.monotonic())
        time.sleep(0.02)
        return read()

    monkeypatch.setattr(store, "read", read_slowly)
    agreement = Agreement(store, lambda: dict(plane.wanted), arbiter.settle, arbiter.stored, lambda _: None)
    agreement.hurry()
    agreement.start()
    try:
        while len(rounds) < 12:
            agreement.hurry()
            time.sleep(0.001)
    finally:
        agreement.stop()
    assert len(rounds) * 0.02 < 0.3 * (rounds[-1] - rounds[0])


def test_a_suspended_organization_is_not_enforced(
    agreement: Agreement, repairs: list[Repair], context: Context, plane: MadeUpPlane, owner: Actor
) -> None:
    enforced = dict(plane.wanted)
    agreement.look(doubtful=True)
    suspension.suspend(context, Actor.operator(owner.organization_id))
    agreement.look(doubtful=True)
    assert not plane.wanted
    assert not repairs
    # As of a hub that read the store just before, and made the organization just after it had been removed.
    plane.wanted |= enforced
    agreement.look(doubtful=True)
    assert not plane.wanted
    suspension.resume(context, Actor.operator(owner.organization_id))
    agreement.look(doubtful=True)
    assert plane.wanted == enforced
    assert len(repairs) == 1


@pytest.mark.parametrize("error", [HubError("its state can't be trusted"), ValueError("not an address")])
def test_an_organization_that_can_t_be_settled_delays_no_other(
    store: Store, context: Context, plane: MadeUpPlane, repairs: list[Repair], owner: Actor, error: Exception
) -> None:
    other = sign_up(context, "other@example.net")
    plane.wanted.clear()
    settled: list[str] = []

    def settle(organization: str) -> bool:
        if organization == owner.organization_id:
            raise error
        settled.append(organization)
        return True

    agreement = Agreement(store, lambda: dict(plane.wanted), settle, lambda *_: None, repairs.append)
    with capture_logs() as logs:
        for _ in range(3):
            agreement.look(doubtful=True)
    assert set(settled) == {other.organization_id}
    # Not with each look again.
    assert [each["organization"] for each in logs if each["log_level"] == "error"] == [owner.organization_id]


@pytest.mark.parametrize("is_seen", [True, False])
def test_an_old_state_is_not_restored_over_a_stored_one(
    agreement: Agreement,
    arbiter: Arbiter,
    context: Context,
    store: Store,
    plane: MadeUpPlane,
    owner: Actor,
    is_seen: bool,
) -> None:
    policies.save(context, owner, Policy(Action.DENY))
    if is_seen:
        agreement.look(doubtful=False)
    with store.read() as transaction:
        revision = organizations.revision(transaction, owner.organization_id)
    assert revision is not None
    arbiter.withdraw(owner.organization_id, revision)
    assert (plane.wanted[owner.organization_id] == stored(store, owner)) is is_seen
