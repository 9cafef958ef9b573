"""All organizations are maintained from the start of the hub to its end."""

from __future__ import annotations

import threading
from contextlib import closing
from ipaddress import IPv4Address
from queue import Queue
from typing import Any

import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs

from appliance.hub.errors import HubError, NotHere
from appliance.hub.findings import Damage, DamagedPart, Repair
from appliance.hub.kernel.events import Watcher
from appliance.hub.plane.upkeep import Upkeep
from appliance.model.keys import new_key_pair
from appliance.model.organization import Machine
from appliance.store import Store, audit, machines, organizations
from appliance.store.times import now
from tests.appliance.hub.standins import NoDoor, refuse
from tests.appliance.sealed import ACME
from tests.waiting import DEADLINE, wait_until


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
