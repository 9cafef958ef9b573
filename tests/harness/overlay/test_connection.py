"""A TCP connection through a router that can drop all packets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from harness.judging.answer import Answer
from harness.judging.verdicts import Refuted
from harness.overlay.connection import JudgedConnection
from harness.overlay.machine import Machine
from netlab import Lab
from netlab.topologies import Gated, gated
from tests.waiting import DEADLINE

ENOUGH = 0.1


class End:
    """A machine with only the attributes that a connection uses."""

    def __init__(self, name: str, host: Any, address: str) -> None:
        self.name, self.host, self.address = name, host, address


@pytest.fixture
def gate() -> Iterator[Gated]:
    with Lab() as lab:
        made = gated(lab)
        for host, other in ((made.left, "203.0.113"), (made.right, "198.51.100")):
            via = host.run("ip", "route", "show", "default").stdout.split()[2]
            host.run("ip", "route", "add", f"{other}.0/24", "via", via, "rto_min", "5ms")
        yield made


def connection_over(gate: Gated, deadline_s: float = DEADLINE) -> JudgedConnection:
    left, right = End("left", gate.left, "198.51.100.2"), End("right", gate.right, "203.0.113.2")
    return JudgedConnection(cast(Machine, left), cast(Machine, right), deadline_s=deadline_s)


@pytest.fixture
def connection(gate: Gated) -> JudgedConnection:
    return connection_over(gate)


def change(make: Callable[[], None]) -> Answer:
    """Makes a change and returns its times as an answer."""
    requested = time.monotonic_ns()
    make()
    return Answer(200, None, requested, time.monotonic_ns())


def test_a_connection_denied_and_allowed_again_passes(gate: Gated, connection: JudgedConnection) -> None:
    with connection:
        connection.goes_on()
        for _ in range(3):
            connection.stops(change(gate.deny))
            time.sleep(ENOUGH)
            connection.stays_stopped()
            connection.goes_on(change(gate.allow))


def nothing() -> None:
    """Returns an answered change that has no effect."""


def run_denied_without_effect(connection: JudgedConnection, noticed_by: str) -> None:
    """Runs a connection that is reported as denied and carries on."""
    with connection:
        connection.goes_on()
        connection.stops(change(nothing))
        assert connection.stream is not None
        connection.stream.wait_echo(time.monotonic_ns(), DEADLINE)
        if noticed_by == "stays_stopped":
            connection.stays_stopped()
        elif noticed_by == "goes_on":
            connection.goes_on(change(nothing))
        elif noticed_by == "stops":
            connection.stops(change(nothing))


def run_allowed_without_effect(connection: JudgedConnection, gate: Gated) -> None:
    """Runs a connection that is reported as allowed again and stays denied."""
    with connection:
        connection.stops(change(gate.deny))
        connection.goes_on(change(nothing))


@pytest.mark.parametrize("noticed_by", ["stays_stopped", "goes_on", "stops", "the end"])
def test_a_connection_that_carries_on_although_denied_refutes(connection: JudgedConnection, noticed_by: str) -> None:
    with pytest.raises(Refuted, match=r"TCP left→right: \d+ lines crossed it although it was denied"):
        run_denied_without_effect(connection, noticed_by)


def test_lines_that_arrive_and_are_not_answered_refute(gate: Gated, connection: JudgedConnection) -> None:
    def deny_answers() -> None:
        gate.router.run("nft", "add rule inet gate forward ip saddr 203.0.113.2 drop")

    def is_denied_in_vain() -> None:
        with connection:
            connection.goes_on()
            connection.stops(change(deny_answers))
            time.sleep(ENOUGH)
            connection.stays_stopped()

    with pytest.raises(Refuted, match="lines crossed it although it was denied"):
        is_denied_in_vain()


def test_a_connection_that_does_not_go_on_when_allowed_refutes(gate: Gated) -> None:
    with pytest.raises(Refuted, match="TCP left→right is allowed, and carries nothing"):
        run_allowed_without_effect(connection_over(gate, deadline_s=0.2), gate)
