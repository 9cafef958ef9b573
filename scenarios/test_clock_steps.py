"""The wall clock of the service's host is set back and forward."""

from __future__ import annotations

import time
from typing import Any

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.machine import Machine
from harness.overlay.mesh import HANDSHAKE_DEADLINE, Mesh
from harness.subject.service import Service
from harness.world.customer import DEADLINE_S
from harness.world.person import Person
from harness.world.world import World
from netlab import wait_until

pytestmark = [pytest.mark.conditions(loss="none"), pytest.mark.restarts]

HOUR = 3600.0
# What is advertised, in hours.
IDLE, ABSOLUTE = 12.0, 14 * 24.0
SET_BACK = 48.0
MOST_GUESSES = 15
SILENT_S = 240.0
"""Seconds, more than a machine may be silent and count as online."""
_NOTICED = "the clock was set back"


@pytest.mark.claim("sign-in")
def test_a_set_clock_lengthens_no_session_and_no_guessing(world: World, person: Person, record: Record) -> None:
    """The clock is set back by two days. A session that nobody uses ends twelve hours after its last use all the same,
    and one that is used two weeks after its log-in. Somebody who has guessed too often does not get more guesses when
    the clock is set forward by a month.
    """
    service = world.subject.service
    with service.turned() as clock:
        idle, used = person.session(), person.session()
        passed = 0.0

        def let_pass(hours: float) -> float:
            clock.let_pass(hours * HOUR)
            return passed + hours

        passed = let_pass(8.0)
        with record.control("a session that is used opens the account, eight hours after its log-in"):
            assert used.is_open()
        clock.set(-SET_BACK * HOUR)
        _wait_until_noticed(service, world.patience)
        passed = let_pass(5.0)
        if idle.is_open():
            raise Refuted(f"the idle session is open after {passed} hours without use, and has to end after {IDLE}")
        while passed < ABSOLUTE:
            if not used.is_open():
                raise Refuted(f"the session in use has ended after {passed} hours, and may be used for {ABSOLUTE}")
            passed = let_pass(min(IDLE - 1.0, ABSOLUTE - passed))
        passed = let_pass(0.1)
        if used.is_open():
            raise Refuted(f"the session in use is open after {passed} hours, and has to end after {ABSOLUTE}")
        record.measure("hours that passed", round(passed, 1))
        with record.control("the password opens the account, and guesses are checked until they are too many"):
            person.api.token = person.session().token
            assert _guess(person) == 401
            assert any(_guess(person) == 429 for _ in range(MOST_GUESSES))
        clock.set(30 * 24 * HOUR)
        if (status := _guess(person)) != 429:
            raise Refuted(f"too many guesses were forgotten when the clock was set forward: {status}")


@pytest.mark.claim("self-healing")
def test_a_set_clock_lets_no_machine_appear_or_vanish(world: World, record: Record) -> None:
    """The clock is set back by an hour, and four minutes pass: a machine without a handshake since then is not online.
    It is set forward by two hours: a machine that has just shaken hands is.
    """
    with world.subject.service.turned() as clock:
        mesh = world.organization(record)
        mumbai, pune = mesh.machines("mumbai", "pune")
        with record.control("both machines are online after their handshakes"):
            assert all(_online(mesh, mumbai).values())
        shaken = time.time()
        pune.tunnel.down()
        clock.set(-HOUR)
        clock.let_pass(SILENT_S)
        if _online(mesh, mumbai)[pune.id]:
            raise Refuted(f"pune is online, and shook no hands for {SILENT_S:.0f} s since the clock was set back")
        with record.control("a machine that shakes hands again is online"):
            # WireGuard tells the second of a handshake, by the host's clock, on which no four minutes have passed.
            assert wait_until(lambda: time.time() >= shaken + 1.0, DEADLINE_S)
            mumbai.tunnel.down()
            answer = {"machine": {"id": mumbai.id, "address": mumbai.address}, "config": mumbai.config}
            mumbai = mesh.bring_up(mumbai.name, answer, host=mumbai.host)
            assert _online(mesh, mumbai)[mumbai.id]
        clock.set(2 * HOUR)
        if not _online(mesh, mumbai)[mumbai.id]:
            raise Refuted("mumbai has just shaken hands, and is not online since the clock was set forward")


def _wait_until_noticed(service: Service, patience: float) -> None:
    if not wait_until(lambda: _NOTICED in service.log_text(), DEADLINE_S * patience):
        raise Inconclusive("the service has not noticed that its clock was set back")


def _guess(person: Person) -> int:
    return person.log_in("a wrong guess at it").status


def _online(mesh: Mesh, machine: Machine) -> dict[str, bool]:
    """Returns which machines, by id, the service tells to be online, after it has read that one of them sent a ping."""
    # A handshake also counts as bytes, and is made only by the packet after it: one ping for that, and one to be read.
    assert machine.host.ping(mesh.hub_address, timeout=HANDSHAKE_DEADLINE)
    before = _machines(mesh)[machine.id]["received_bytes"]
    assert machine.host.ping(mesh.hub_address, timeout=HANDSHAKE_DEADLINE)
    found: dict[str, Any] = {}

    def has_read() -> bool:
        found.update(_machines(mesh))
        return bool(found[machine.id]["received_bytes"] > before)

    assert wait_until(has_read, DEADLINE_S)
    return {identity: each["online"] for identity, each in found.items()}


def _machines(mesh: Mesh) -> dict[str, Any]:
    return {each["id"]: each for each in mesh.api.call("GET", "/machines").body["machines"]}
