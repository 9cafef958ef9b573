"""Restoring, at the start of a hub, and removing what no longer is in force."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, closing
from queue import Queue

import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs

from appliance.hub.errors import HubError
from appliance.hub.plane.upkeep import Upkeep
from appliance.store import Store, organizations
from appliance.store.times import now
from tests.appliance.hub.standins import NoDoor, refuse
from tests.appliance.sealed import ACME
from tests.waiting import DEADLINE


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


def test_an_upkeep_that_has_ended_restores_nothing(upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep.plane, "present", lambda: pytest.fail("it looks at the host"))
    upkeep.close()
    upkeep.restore()
    assert not upkeep.is_restored


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
