"""All organizations are maintained from the start of the hub to its end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from ipaddress import IPv4Address
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs

from appliance.hub.errors import HubError, NotHere
from appliance.hub.findings import Damage, DamagedPart, Repair
from appliance.hub.front_door import DoorRepair, FrontDoor
from appliance.hub.kernel.events import Watcher
from appliance.hub.names import Names
from appliance.hub.plane.keyring import Keyring
from appliance.hub.plane.upkeep import Upkeep
from appliance.hub.wireguard import Backend
from appliance.model.errors import Unavailable
from appliance.model.keys import new_key_pair
from appliance.model.organization import Machine
from appliance.store import Store, audit, machines, organizations
from appliance.store.times import now
from tests.appliance.sealed import ACME, OLD, opens, sealed_store
from tests.waiting import DEADLINE, wait_until


class NoBackend:
    """A backend that makes no links."""

    name = version = "none"


class NoDoor(FrontDoor):
    """A door that opens nothing, and hears of a machine when a test says so."""

    meets: Callable[[str], None]

    def open(self, on_new_source: Callable[[str], None] = lambda _: None) -> DoorRepair:
        self.meets = on_new_source
        return DoorRepair.NONE

    def restore(self) -> DoorRepair:
        return DoorRepair.NONE

    def admit(self, organization: str, hub_public_key: str, inner_port: int, machines: int = 0) -> None: ...

    def settle(self) -> None: ...

    def close(self) -> None: ...

    def remove(self) -> None: ...


@pytest.fixture
def sealed(tmp_path: Path) -> Store:
    """Provides a store that the old secret opens, with an organization in it."""
    return sealed_store(tmp_path)


@pytest.fixture
def door() -> NoDoor:
    return NoDoor(Names("abc"), 51820)


@pytest.fixture
def upkeep(sealed: Store, door: NoDoor, tmp_path: Path) -> Upkeep:
    """Provides upkeep that is not open yet; a test has to close it."""
    backend: Backend = NoBackend()  # type: ignore[assignment]
    keyring = Keyring(sealed, opens(sealed, OLD))
    return Upkeep(Names("abc"), backend, door, sealed, keyring.private_key, tmp_path / "rules")


def test_each_round_of_the_sweep_closes_what_is_idle(upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: Queue[None] = Queue()
    monkeypatch.setattr(upkeep.plane, "present", tuple)
    monkeypatch.setattr(upkeep.plane, "restore", lambda *_: None)
    monkeypatch.setattr(upkeep.plane, "close_idle", lambda: closed.put(None))
    with closing(upkeep):
        upkeep.open()
        upkeep.restore()
        for _ in range(2):
            closed.get(timeout=DEADLINE)


def test_a_machine_s_endpoint_is_recorded_at_its_handshake(
    upkeep: Upkeep, door: NoDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loses the link a moment later: only the recorded endpoint finds the machine again."""
    noted: Queue[str] = Queue()
    monkeypatch.setattr(upkeep.plane, "present", tuple)
    monkeypatch.setattr(upkeep.plane, "restore", lambda *_: None)
    monkeypatch.setattr(upkeep.plane, "note_endpoints", lambda organization, _: noted.put(organization))
    with closing(upkeep):
        upkeep.open()
        upkeep.restore()
        door.meets("somebody")
        assert noted.get(timeout=DEADLINE) == "somebody"


def test_endpoints_that_could_not_be_stored_are_stored_later(
    upkeep: Upkeep, sealed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, stored, store_them = new_key_pair().public, list[object](), machines.note_endpoints
    heard = {key: "192.0.2.1:40000"}
    with sealed.write() as transaction:
        machines.create(transaction, ACME, Machine("m2", "mumbai", "mumbai", IPv4Address("10.100.0.2"), key, (), now()))
        state = organizations.standing(transaction, ACME, None)
    assert state is not None

    def note(transaction: Connection, *what: Any) -> None:
        stored.append(what)
        store_them(transaction, *what)

    monkeypatch.setattr(upkeep.plane, "wanted", lambda: (ACME,))
    monkeypatch.setattr(upkeep.plane, "state", lambda _: state.desired)
    monkeypatch.setattr(upkeep.plane, "note_endpoints", lambda *_: heard)
    monkeypatch.setattr(machines, "note_endpoints", note)
    with closing(upkeep):
        with monkeypatch.context() as away:
            away.setattr(sealed, "write", refuse)
            upkeep.note_endpoints()
        assert stored == []
        upkeep.note_endpoints()
        assert stored == [(ACME, heard)]
        upkeep.note_endpoints()
        assert stored == [(ACME, heard)]


def refuse() -> None:
    """Refuses to write, as a store whose database is away."""
    raise Unavailable("The database is away.")


def test_an_organization_that_can_t_be_removed_keeps_no_other(
    upkeep: Upkeep, door: NoDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[str] = []

    def remove(organization: str) -> None:
        if organization == "stuck":
            raise HubError("its namespace is busy")
        removed.append(organization)

    monkeypatch.setattr(upkeep.plane, "present", lambda: ("one", "stuck", "two"))
    monkeypatch.setattr(upkeep.plane, "remove", remove)
    monkeypatch.setattr(door, "remove", lambda: removed.append("the door"))
    with closing(upkeep), pytest.raises(HubError, match="could not be removed: 1"):
        upkeep.tear_down()
    assert sorted(removed) == ["one", "the door", "two"]


@pytest.mark.parametrize("tears_down", [True, False])
def test_an_upkeep_that_is_ending_restores_nothing_more(
    upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch, tears_down: bool
) -> None:
    organization, happened, goes_on = ACME, Queue[str](), threading.Event()

    def restore(*_: object) -> None:
        happened.put("restored")
        goes_on.wait(DEADLINE)

    monkeypatch.setattr(organizations, "enforced_ids", lambda *_: [organization] * 100)
    monkeypatch.setattr(upkeep.plane, "restore", restore)
    monkeypatch.setattr(upkeep.plane, "present", lambda: () if happened.empty() else (organization,))
    monkeypatch.setattr(upkeep.plane, "remove", lambda _: happened.put("removed"))
    restoring = threading.Thread(target=upkeep.restore)
    restoring.start()
    assert happened.get(timeout=DEADLINE) == "restored"
    happened.put("restored")
    ending = threading.Thread(target=upkeep.tear_down if tears_down else upkeep.close)
    ending.start()
    assert upkeep.ending.wait(DEADLINE)
    goes_on.set()
    ending.join(DEADLINE)
    restoring.join(DEADLINE)
    in_order = [happened.get() for _ in range(happened.qsize())]
    restored = in_order.count("restored")
    # Those that were begun, side by side.
    assert 1 <= restored <= 8
    assert in_order == ["restored"] * restored + ["removed"] * tears_down
    assert not upkeep.is_restored
    if tears_down:
        upkeep.close()


@pytest.mark.parametrize(("organization", "stored"), [("deleted", 0), (ACME, 1)])
def test_a_repair_is_recorded_unless_the_organization_is_deleted(
    upkeep: Upkeep, sealed: Store, monkeypatch: pytest.MonkeyPatch, organization: str, stored: int
) -> None:
    def refuse(*_: object) -> None:
        raise HubError("its namespace is busy")

    repair = Repair(organization, 0.0, 0.5, (Damage(DamagedPart.PEER, "a machine is missing"),))
    monkeypatch.setattr(organizations, "enforced_ids", lambda *_: [organization])
    monkeypatch.setattr(upkeep.plane, "present", tuple)
    monkeypatch.setattr(upkeep.arbiter, "restore", refuse)
    monkeypatch.setattr(upkeep.plane, "heal", lambda *_: repair)
    with capture_logs() as logged, closing(upkeep):
        upkeep.open()
        upkeep.restore()
        wait_until(lambda: upkeep.repairs[DamagedPart.PEER.value] > 0)
    assert [each for each in logged if each["log_level"] == "error"] == [
        each for each in logged if each["event"] == "an organization could not be restored"
    ]
    with sealed.read() as transaction:
        assert len(audit.latest_repairs(transaction, organization, 10)) == stored


@pytest.mark.parametrize("error", [HubError("the links can't be listed"), OSError("no descriptor left")], ids=repr)
def test_restoring_waits_until_the_host_can_be_read(
    upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    restored, looks = list[str](), iter([error, error, None])

    def look() -> tuple[str, ...]:
        if (failure := next(looks)) is not None:
            raise failure
        return ()

    monkeypatch.setattr(upkeep.plane, "present", look)
    monkeypatch.setattr(upkeep.plane, "restore", lambda desired, _: restored.append(desired.organization))
    with closing(upkeep):
        upkeep.open()
        upkeep.restore()
        assert (restored, upkeep.is_restored) == ([ACME], True)


def test_restoring_waits_until_the_store_can_be_read(
    upkeep: Upkeep, sealed: Store, door: NoDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settles the front door last: it would dismiss what is not restored."""
    happened, read, fails = list[str](), sealed.read, iter([True, True])

    def read_or_fail() -> AbstractContextManager[Connection]:
        if next(fails, False):
            happened.append("failed")
            refuse()
        return read()

    monkeypatch.setattr(upkeep.plane, "present", tuple)
    monkeypatch.setattr(upkeep.plane, "restore", lambda *_: happened.append("restored"))
    monkeypatch.setattr(door, "settle", lambda: happened.append("settled"))
    monkeypatch.setattr(sealed, "read", read_or_fail)
    with capture_logs() as logged, closing(upkeep):
        upkeep.open()
        upkeep.restore()
    assert happened == ["failed", "failed", "restored", "settled"]
    assert [each["again_in"] for each in logged if each["event"] == "nothing can be restored yet"] == [0.1, 0.2]


def test_an_upkeep_that_waits_for_the_store_can_be_closed(
    upkeep: Upkeep, sealed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_away = threading.Event()

    def fail() -> None:
        is_away.set()
        refuse()

    monkeypatch.setattr(upkeep.plane, "present", tuple)
    monkeypatch.setattr(sealed, "read", fail)
    restoring, closes = (threading.Thread(target=each, daemon=True) for each in (upkeep.restore, upkeep.close))
    restoring.start()
    assert is_away.wait(DEADLINE)
    closes.start()
    for thread in (restoring, closes):
        thread.join(DEADLINE)
    assert (restoring.is_alive(), closes.is_alive(), upkeep.is_restored) == (False, False, False)


def test_remains_that_can_t_be_removed_are_removed_later(
    upkeep: Upkeep, door: NoDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Restores the others, and opens the door to them, meanwhile."""
    happened, tries = Queue[str](), iter([HubError("busy"), HubError("busy"), None])

    def remove(organization: str) -> None:
        if (failure := next(tries)) is not None:
            happened.put(f"kept {organization}")
            raise failure
        happened.put(f"removed {organization}")

    monkeypatch.setattr(upkeep.plane, "present", lambda: ("deleted",))
    monkeypatch.setattr(upkeep.plane, "remove", remove)
    monkeypatch.setattr(upkeep.plane, "restore", lambda desired, _: happened.put(f"restored {desired.organization}"))
    monkeypatch.setattr(door, "settle", lambda: happened.put("settled"))
    with closing(upkeep):
        upkeep.open()
        upkeep.restore()
        assert upkeep.is_restored
        found = [happened.get(timeout=DEADLINE) for _ in range(5)]
    assert found == ["kept deleted", f"restored {ACME}", "settled", "kept deleted", "removed deleted"]


def test_remains_of_an_organization_that_came_back_stay(upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resumes a suspended organization while its remains can't be removed."""
    looked, removals, states = Queue[str](), list[str](), iter([None])

    def remove(organization: str) -> None:
        removals.append(organization)
        raise HubError("busy")

    def state(organization: str) -> object:
        looked.put(organization)
        return next(states, "a state")

    monkeypatch.setattr(organizations, "enforced_ids", lambda *_: [])
    monkeypatch.setattr(upkeep.plane, "present", lambda: ("back",))
    monkeypatch.setattr(upkeep.plane, "remove", remove)
    monkeypatch.setattr(upkeep.plane, "state", state)
    with closing(upkeep):
        upkeep.open()
        upkeep.restore()
        assert [looked.get(timeout=DEADLINE) for _ in range(2)] == ["back"] * 2
    assert removals == ["back"]


def test_a_suspended_organization_s_remains_are_removed(
    upkeep: Upkeep, sealed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Suspends an organization while no hub runs."""
    removed, restored = list[str](), list[str]()
    with sealed.write() as transaction:
        organizations.suspend(transaction, ACME, now())
    monkeypatch.setattr(upkeep.plane, "present", lambda: (ACME,))
    monkeypatch.setattr(upkeep.plane, "remove", removed.append)
    monkeypatch.setattr(upkeep.plane, "restore", lambda desired, _: restored.append(desired.organization))
    with closing(upkeep):
        upkeep.open()
        upkeep.restore()
    assert (removed, restored) == ([ACME], [])


def test_an_upkeep_that_has_ended_restores_nothing(upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep.plane, "present", lambda: pytest.fail("it looks at the host"))
    upkeep.close()
    upkeep.restore()
    assert not upkeep.is_restored


def test_an_end_waits_for_changes_in_progress(upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a change need the watcher for which the end has no more use; a later change is refused."""
    begun, goes_on, order, close = threading.Event(), threading.Event(), list[str](), Watcher.close

    def work(_: str) -> None:
        begun.set()
        assert goes_on.wait(DEADLINE)
        order.append("changed")

    def closed(watcher: Watcher) -> None:
        order.append("closed")
        close(watcher)

    monkeypatch.setattr(upkeep.plane, "remove", work)
    monkeypatch.setattr(Watcher, "close", closed)
    upkeep.open()
    change = threading.Thread(target=upkeep.arbiter.remove, args=(ACME,))
    change.start()
    assert begun.wait(DEADLINE)
    end = threading.Thread(target=upkeep.close)
    end.start()
    wait_until(lambda: _refuses(upkeep))
    goes_on.set()
    for thread in (change, end):
        thread.join(DEADLINE)
    assert order == ["changed", "closed"]


def _refuses(upkeep: Upkeep) -> bool:
    try:
        upkeep.arbiter.check_open()
    except NotHere:
        return True
    return False
