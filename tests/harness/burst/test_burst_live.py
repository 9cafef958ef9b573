"""Bursts of few organizations on a live service."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from harness.burst import coordinator, load, messages
from harness.burst.attempt import Attempt, collisions
from harness.burst.clients import ClientPair, client_pairs
from harness.burst.coordinator import BurstSpec, Coordinator
from harness.burst.messages import AddedMachine, Assignment, MessageStream, Onboarded, OnboardingFailed
from harness.burst.report import figures_of
from harness.burst.run import burst
from harness.judging.verdicts import Inconclusive
from harness.world.world import World


@pytest.fixture(scope="module")
def machines(world: World) -> list[ClientPair]:
    return client_pairs(world, 2)


def namespaces(world: World) -> int:
    """Returns the number of organizations that the hub's host carries."""
    return len(world.subject.lab_host.run("ip", "netns", "list").stdout.splitlines())


@pytest.mark.long
def test_organizations_get_a_working_mesh_and_leave_nothing(world: World, machines: list[ClientPair]) -> None:
    before = namespaces(world)
    ended: list[Attempt] = []
    attempts = burst(world, machines, BurstSpec(3, "gone"), on_attempt=ended.append)
    assert [each.error for each in attempts] == [None] * 3
    assert [each.number for each in attempts] == [0, 1, 2]
    assert sorted(each.number for each in ended) == [0, 1, 2]
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


@pytest.mark.long
def test_organizations_stay_if_the_spec_keeps_them(world: World, machines: list[ClientPair]) -> None:
    before = namespaces(world)
    attempts = burst(world, machines, BurstSpec(3, "kept", keep=True), processes=2)
    assert [each.error for each in attempts] == [None] * 3
    assert len({each.port for each in attempts}) == 3
    assert namespaces(world) == before + 3
    # A second account with the same address is refused.
    again = burst(world, machines, BurstSpec(1, "kept", keep=True))
    assert len(again) == 1
    assert again[0].seconds is None
    assert (again[0].error or "").startswith("POST /signup was answered 409: ")


def test_a_burst_that_cannot_begin_is_inconclusive(
    world: World, machines: list[ClientPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "LOCUSTFILE", Path("/nonexistent.py"))
    with pytest.raises(Inconclusive, match="locust ended before the first organization"):
        burst(world, machines, BurstSpec(1, "never"))


class FakeUser:
    """A client of a coordinator that behaves as a user of locust does."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(str(path))
        stream = self._socket.makefile("rwb")
        self.stream = MessageStream(stream, stream)
        self._stream = stream

    def leave(self) -> None:
        self._stream.close()
        self._socket.close()


def test_the_coordinator_serves_as_many_as_its_spec_says(
    world: World, machines: list[ClientPair], tmp_path: Path
) -> None:
    path = tmp_path / "coordinator"
    with Coordinator(world.subject.lab_host, machines[:1], BurstSpec(2, "few"), path) as made:
        gone = FakeUser(path)
        assert gone.stream.receive(messages.NEXT) == Assignment(
            "few0@example.net", "correct horse battery", "customer", ["mumbai", "pune"], keep=False
        )
        others = (FakeUser(path), FakeUser(path))
        # The next user gets the machines of the one that left, whichever of the two that is.
        gone.leave()
        assignments = {user: user.stream.receive(messages.NEXT) for user in others}
        (refused,) = (user for user, assignment in assignments.items() if assignment is not None)
        assert assignments[refused].email == "few1@example.net"
        assert list(assignments.values()).count(None) == 1
        refused.stream.send(OnboardingFailed(7, "POST /signup was answered 503: no"))
        while not made.wait(1.0):
            pass
        assert [each.error for each in made.attempts] == [
            "it was not served to its end: the other end went away",
            "POST /signup was answered 503: no",
        ]
        assert made.attempts[1].began_ns == 7
        for user in others:
            user.leave()


def test_a_silent_user_is_given_up(
    world: World, machines: list[ClientPair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator, "USER_DEADLINE_S", 0.2)
    with Coordinator(world.subject.lab_host, machines, BurstSpec(1, "silent"), tmp_path / "users") as made:
        user = FakeUser(tmp_path / "users")
        user.stream.receive(messages.NEXT)
        while not made.wait(1.0):
            pass
        user.leave()
    assert [each.error for each in made.attempts] == ["it was not served to its end: timed out"]


def test_an_invalid_configuration_is_an_error(world: World, machines: list[ClientPair], tmp_path: Path) -> None:
    path = tmp_path / "coordinator"
    with Coordinator(world.subject.lab_host, machines, BurstSpec(1, "bad", keep=True), path) as made:
        user = FakeUser(path)
        user.stream.receive(messages.NEXT)
        user.stream.send(Onboarded(1, "nobody", "key", [AddedMachine("10.100.0.2", "[Interface]\nNonsense = 1\n")] * 2))
        proof = user.stream.receive(messages.RESULT)
        user.leave()
        while not made.wait(1.0):
            pass
    assert proof.seconds is None
    assert "wg-quick" in (proof.error or "")
    assert made.attempts[0].port is None
    assert figures_of(made.attempts, 1).errors == 1
