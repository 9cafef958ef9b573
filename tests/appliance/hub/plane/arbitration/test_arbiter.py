"""A change is both enforced and stored or neither, and no transaction is open while the hub works."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import pytest

from appliance.hub.errors import HubError, HubUnreachable, Overtaken
from appliance.hub.plane.arbiter import Arbiter
from appliance.model.desired import Desired
from appliance.model.errors import Conflict, NotFound
from appliance.model.policy import ANYONE, Action, Policy, Rule
from appliance.service import Actor, Context, changes, deletion, machines, suspension
from appliance.service import organizations as profile
from appliance.service import policy as policies
from appliance.store import Store, database, organizations
from appliance.store import machines as stored_machines
from tests.appliance import databases
from tests.appliance.conftest import sign_up
from tests.appliance.hub.arbitrated import (
    ArbitratedHub,
    MadeUpCaller,
    MadeUpDoor,
    MadeUpPlane,
    make_arbiter,
    revision,
    stored,
)

DENIED = Policy(Action.DENY)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs the tests of this module on both databases."""
    databases.parametrize(metafunc)


@pytest.fixture
def other(store: Store, arbiter: Arbiter) -> Context:
    """Provides the hub client of another process."""
    return Context(store, ArbitratedHub(arbiter=arbiter), "vpn.example.net:51820")


def test_the_store_is_not_locked_while_the_hub_works(
    context: Context, store: Store, plane: MadeUpPlane, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WAIT_FOR_TURN_S", 0.05)
    committed: list[int] = []

    def commit() -> None:
        with store.write() as transaction:
            organizations.revise(transaction, neighbour.organization_id, 7)
        committed.append(7)

    neighbour = sign_up(context, "neighbour@example.net")
    plane.works = commit
    policies.save(context, owner, DENIED)
    suspension.suspend(context, Actor.operator(neighbour.organization_id))
    suspension.resume(context, Actor.operator(neighbour.organization_id))
    sign_up(context, "new@example.net")
    deletion.delete(context, owner, confirm="acme-networks")
    assert len(committed) >= 3


def test_two_changes_of_one_revision_are_both_made(
    context: Context, other: Context, hub: ArbitratedHub, plane: MadeUpPlane, store: Store, owner: Actor
) -> None:
    """Enforces one without committing it when another process changes the same revision and has to begin again."""
    overtaken = threading.Event()
    theirs = other.hub
    assert isinstance(theirs, ArbitratedHub)
    apply = theirs.apply

    def noted(
        organization: str, desired: Desired | None, *, base: int, revision: int, before: Desired | None = None
    ) -> None:
        try:
            apply(organization, desired, base=base, revision=revision, before=before)
        except Overtaken:
            overtaken.set()
            raise

    theirs.apply = noted  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as pool:

        def meet() -> None:
            hub.applied = lambda: None
            added.append(pool.submit(machines.add, other, owner, name="theirs"))
            assert overtaken.wait(10)
            assert [peer.id for peer in plane.wanted[owner.organization_id].peers] != []

        added: list[object] = []
        hub.applied = meet
        machines.add(context, owner, name="ours")
    assert len(added) == 1
    assert {seen.machine.name for seen in machines.page(context, owner)[0]} == {"ours", "theirs"}
    assert plane.wanted[owner.organization_id] == stored(store, owner)


def test_a_change_that_is_always_overtaken_is_refused(
    context: Context, hub: ArbitratedHub, store: Store, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "FIRST_PAUSE_S", 0.0)
    before = stored(store, owner)

    def intrude() -> None:
        with store.write() as transaction:
            organizations.revise(transaction, owner.organization_id, revision(store, owner) // 2)

    hub.applied = intrude
    with pytest.raises(Conflict):
        policies.save(context, owner, DENIED)
    assert stored(store, owner) == before


def test_a_change_of_an_outdated_revision_is_computed_again(
    context: Context, hub: ArbitratedHub, plane: MadeUpPlane, store: Store, owner: Actor
) -> None:
    """Changes the organization before the commit: the enforced change is withdrawn and computed again."""

    def rotate() -> None:
        hub.applied = lambda: None
        with store.write() as transaction:
            organizations.replace_data_key(transaction, owner.organization_id, b"sealed anew")

    hub.applied = rotate
    machines.add(context, owner, name="mumbai")
    found = stored(store, owner)
    assert found is not None
    assert found.sealed_data_key == b"sealed anew"
    assert plane.wanted[owner.organization_id] == found
    assert len(found.peers) == 1


def test_a_link_that_comes_back_knows_where_its_machines_are(
    context: Context, plane: MadeUpPlane, door: MadeUpDoor, store: Store, owner: Actor
) -> None:
    """Resumes a suspended organization, and confirms a save at a hub that has not restored the organization yet."""
    machine = machines.add(context, owner, name="mumbai").machine
    heard = {machine.public_key: "192.0.2.1:40000"}
    with store.write() as transaction:
        stored_machines.note_endpoints(transaction, owner.organization_id, heard)
    suspension.suspend(context, Actor.operator(owner.organization_id))
    suspension.resume(context, Actor.operator(owner.organization_id))
    assert plane.endpoints[owner.organization_id] == heard
    later = MadeUpPlane()
    make_arbiter(store, later, door).confirm(owner.organization_id, revision(store, owner))
    assert later.endpoints[owner.organization_id] == heard


def test_a_hub_restarted_during_a_change_enforces_it(
    context: Context, hub: ArbitratedHub, plane: MadeUpPlane, store: Store, owner: Actor
) -> None:
    """Starts the new hub with the state from before the commit."""

    def restart() -> None:
        plane.wanted.clear()
        hub.arbiter = make_arbiter(store, plane, MadeUpDoor())
        hub.arbiter.restore(owner.organization_id)
        assert plane.wanted[owner.organization_id].policy != DENIED

    hub.applied = restart
    policies.save(context, owner, DENIED)
    assert plane.wanted[owner.organization_id].policy == DENIED == stored(store, owner).policy  # type: ignore[union-attr]


def test_a_hub_still_starting_does_not_undo_an_answered_change(
    context: Context, hub: ArbitratedHub, store: Store, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> NoReturn:
        raise HubUnreachable("no")

    monkeypatch.setattr(hub, "confirm", away)
    policies.save(context, owner, DENIED)
    found = stored(store, owner)
    assert found is not None
    assert found.policy == DENIED


def test_a_deletion_during_a_change_leaves_nothing(
    context: Context, other: Context, hub: ArbitratedHub, plane: MadeUpPlane, owner: Actor
) -> None:
    def delete() -> None:
        hub.applied = lambda: None
        deletion.delete(other, owner, confirm="acme-networks")

    hub.applied = delete
    with pytest.raises(NotFound):
        machines.add(context, owner, name="mumbai")
    assert owner.organization_id not in plane.wanted


def test_a_change_during_a_deletion_creates_nothing(
    context: Context, arbiter: Arbiter, plane: MadeUpPlane, store: Store, owner: Actor
) -> None:
    """Computes a change before a deletion, and sends it to the hub after it."""
    before, at = stored(store, owner), revision(store, owner)
    deletion.delete(context, owner, confirm="acme-networks")
    for asked in (arbiter, make_arbiter(store, plane, MadeUpDoor())):
        with pytest.raises(Overtaken):
            asked.apply(owner.organization_id, before, base=at, revision=1)
    assert owner.organization_id not in plane.wanted


def test_an_uncommitted_suspension_is_undone(
    context: Context, hub: ArbitratedHub, arbiter: Arbiter, plane: MadeUpPlane, store: Store, owner: Actor
) -> None:
    enforced = stored(store, owner)

    def kill() -> None:
        raise KeyboardInterrupt

    hub.applied = kill
    withdraw = hub.withdraw
    # Somebody who is killed takes nothing back.
    hub.withdraw = lambda *_: None  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        suspension.suspend(context, Actor.operator(owner.organization_id))
    hub.withdraw = withdraw  # type: ignore[method-assign]
    assert owner.organization_id not in plane.wanted
    assert isinstance(hub.caller, MadeUpCaller)
    hub.caller.dies()
    assert arbiter.settle(owner.organization_id)
    assert plane.wanted[owner.organization_id] == enforced


def test_a_taken_name_is_refused_before_anything_is_enforced(
    context: Context, plane: MadeUpPlane, owner: Actor
) -> None:
    profile.change(context, owner, plan="paid")
    first = machines.add(context, owner, name="mumbai")
    second = machines.add(context, owner, name="pune")
    plane.works = lambda: pytest.fail("the hub was asked")
    for name, key in (("mumbai", None), ("delhi", first.machine.public_key)):
        with pytest.raises(Conflict):
            machines.add(context, owner, name=name, public_key=key)
    with pytest.raises(Conflict):
        machines.change(context, owner, second.machine.id, name="mumbai", groups=["red"])
    with pytest.raises(Conflict):
        machines.rotate(context, owner, second.machine.id, public_key=first.machine.public_key)


def test_store_only_changes_and_rotations_allow_the_next_change(
    context: Context, plane: MadeUpPlane, store: Store, owner: Actor
) -> None:
    machine = machines.add(context, owner, name="mumbai").machine.id
    machines.change(context, owner, machine, name="bombay")
    machines.change(context, owner, machine, groups=["red"])
    with store.write() as transaction:
        organizations.replace_data_key(transaction, owner.organization_id, b"sealed anew")
    policies.add_rule(context, owner, Rule("r", Action.DENY, ANYONE, ANYONE))
    assert plane.wanted[owner.organization_id] == stored(store, owner)


def test_an_organization_that_can_t_be_removed_stays_admitted(
    arbiter: Arbiter, plane: MadeUpPlane, door: MadeUpDoor, owner: Actor
) -> None:
    plane.refuses = True
    with pytest.raises(HubError):
        arbiter.remove(owner.organization_id)
    assert door.admitted == {owner.organization_id}
    plane.refuses = False
    arbiter.remove(owner.organization_id)
    assert not door.admitted


def test_an_uncommitted_change_while_restoring_is_undone(
    store: Store, hub: ArbitratedHub, plane: MadeUpPlane, context: Context, owner: Actor
) -> None:
    before = stored(store, owner)
    plane.wanted.clear()
    hub.arbiter = make_arbiter(store, plane, MadeUpDoor())

    def fail() -> None:
        assert plane.wanted[owner.organization_id].policy == DENIED
        hub.applied = lambda: None
        raise KeyboardInterrupt

    hub.applied = fail
    with pytest.raises(KeyboardInterrupt):
        policies.save(context, owner, DENIED)
    assert plane.wanted[owner.organization_id] == before
