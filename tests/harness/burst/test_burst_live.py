"""Bursts on a live service, at the smallest scale."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.burst import load
from harness.burst.attempt import Attempt, collisions
from harness.burst.clients import Pair, pairs
from harness.burst.desk import Desk, Offer
from harness.burst.messages import Added, Failed, Line, Onboarded, Proof, Seat
from harness.burst.report import figures_of
from harness.burst.run import burst
from harness.judging.verdicts import Inconclusive
from harness.world.world import World
from netlab import sandbox


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A lab with a service."""
    if not sandbox.inside():
        pytest.fail("tests of the burst run in a sandbox: use `./meshwg test --only unit`")
    with World() as made:
        yield made


@pytest.fixture(scope="module")
def machines(world: World) -> list[Pair]:
    """Two pairs, for all tests."""
    return pairs(world, 2)


def namespaces(world: World) -> int:
    """How many organizations the hub's host carries."""
    return len(world.subject.lab_host.run("ip", "netns", "list").stdout.splitlines())


def test_organizations_come_to_a_working_mesh_and_leave_nothing(world: World, machines: list[Pair]) -> None:
    before = namespaces(world)
    told: list[Attempt] = []
    attempts = burst(world, machines, Offer(3, "gone"), told=told.append)
    assert [each.error for each in attempts] == [None] * 3
    assert [each.number for each in attempts] == [0, 1, 2]
    assert sorted(each.number for each in told) == [0, 1, 2]
    assert collisions(attempts) == []
    figures = figures_of(attempts, 3)
    assert figures.meshes_working == 3
    assert figures.p95_ms is not None
    assert figures.p95_ms < 10_000
    assert None not in {each.port for each in attempts}
    assert {each.addresses for each in attempts} == {("10.100.0.2", "10.100.0.3")}
    assert namespaces(world) == before
    clients = [host for pair in machines for host in pair.hosts]
    assert [link for host in clients for link in host.addresses() if link.startswith("10.100.")] == []


def test_organizations_stay_that_are_to_be_kept(world: World, machines: list[Pair]) -> None:
    before = namespaces(world)
    attempts = burst(world, machines, Offer(3, "kept", keep=True), processes=2)
    assert [each.error for each in attempts] == [None] * 3
    assert len({each.port for each in attempts}) == 3
    assert namespaces(world) == before + 3
    # Who has an account already is refused, and the burst says so.
    again = burst(world, machines, Offer(1, "kept", keep=True))
    assert len(again) == 1
    assert again[0].seconds is None
    assert (again[0].error or "").startswith("POST /signup was answered 409: ")


def test_a_burst_that_can_not_begin_is_no_result(
    world: World, machines: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "_FILE", Path("/nonexistent.py"))
    with pytest.raises(Inconclusive, match="locust began with nothing"):
        burst(world, machines, Offer(1, "never"))


class Customer:
    """Speaks to a desk as locust's customers do."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(str(path))
        stream = self._socket.makefile("rwb")
        self.line = Line(stream, stream)
        self._stream = stream

    def leave(self) -> None:
        """Goes away."""
        self._stream.close()
        self._socket.close()


def test_the_desk_serves_as_many_as_it_offers(world: World, machines: list[Pair], tmp_path: Path) -> None:
    path = tmp_path / "desk"
    with Desk(world.subject.lab_host, machines[:1], Offer(2, "few"), path) as desk:
        gone = Customer(path)
        others = (Customer(path), Customer(path))
        assert gone.line.receive(Seat | None) == Seat(
            "few0@example.net", "correct horse battery", "customer", ["mumbai", "pune"], keep=False
        )
        # The machines of who goes away are for the next one, whichever of the two it is that waits.
        gone.leave()
        seats = {customer: customer.line.receive(Seat | None) for customer in others}
        (refused,) = (customer for customer, seat in seats.items() if seat is not None)
        assert seats[refused].email == "few1@example.net"
        assert list(seats.values()).count(None) == 1
        refused.line.send(Failed(7, "POST /signup was answered 503: no"))
        while not desk.wait(1.0):
            pass
        assert [each.error for each in desk.attempts] == [
            "it was not served to its end: the other end went away",
            "POST /signup was answered 503: no",
        ]
        assert desk.attempts[1].began_ns == 7
        for customer in others:
            customer.leave()


def test_a_configuration_that_is_none_is_an_error(world: World, machines: list[Pair], tmp_path: Path) -> None:
    path = tmp_path / "desk"
    with Desk(world.subject.lab_host, machines, Offer(1, "bad", keep=True), path) as desk:
        customer = Customer(path)
        customer.line.receive(Seat | None)
        customer.line.send(Onboarded(1, "nobody", "key", [Added("10.100.0.2", "[Interface]\nNonsense = 1\n")] * 2))
        proof: Proof = customer.line.receive(Proof)
        customer.leave()
        while not desk.wait(1.0):
            pass
    assert proof.seconds is None
    assert "wg-quick" in (proof.error or "")
    assert desk.attempts[0].port is None
    assert figures_of(desk.attempts, 1).errors == 1
