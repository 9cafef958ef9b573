"""Cold start: time until every organization is enforced after the whole data plane was gone."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from harness.bench import memory, population
from harness.bench.beside import Measured, measured
from harness.client.api import Api
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.overlay.machine import Machine
from harness.world.world import World

MACHINES = 10
_START_DEADLINE = 300.0
_POLL = 0.05
_PING_EVERY = 0.2


@dataclass(frozen=True)
class _Start:
    """Times of a start, in seconds from the command.

    Attributes:
        ready_s: until /readyz answered 200.
        reached_s: until one live machine reached the other.
    """

    ready_s: float
    reached_s: float

    @property
    def whole_s(self) -> float:
        return max(self.ready_s, self.reached_s)

    def __str__(self) -> str:
        return f"ready after {self.ready_s:.1f} s, machines back after {self.reached_s:.1f} s"


def measure(world: World, organizations: int, rounds: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Measures cold starts in turns with starts that adopt the data plane of a killed service.

    Two machines of one organization keep their tunnels all the time, and have to reach each other again.

    Args:
        organizations: number of further organizations, of ten machines each.
        rounds: number of starts of each kind.
        tell: takes messages about progress.

    Raises:
        Inconclusive: a stopped service left something behind, or the service does not come back.
    """
    world.subject.service.stop()
    none = world.subject.service.start(_START_DEADLINE)
    tell(f"a start without organizations: {none:.1f} s")
    mumbai, pune = world.organization(Record()).machines("mumbai", "pune")
    population.sign_up(world.subject.service, "cold", organizations, MACHINES, tell)
    cold, warm, stopped = [], [], []
    for number in range(rounds):
        start = time.monotonic()
        world.subject.service.stop()
        stopped.append(time.monotonic() - start)
        _check_nothing_left(world)
        cold.append(_start(world, mumbai, pune))
        tell(f"start, round {number + 1} of {rounds}: down in {stopped[-1]:.1f} s; {cold[-1]}")
        world.subject.service.crash()
        warm.append(_start(world, mumbai, pune))
        tell(f"start, round {number + 1} of {rounds}: adopting what a killed service left: {warm[-1]}")
    text = (
        f"{organizations} organizations of {MACHINES} machines, ready in "
        f"{statistics.median(each.ready_s for each in cold):.1f} s; without organizations: {none:.1f} s; "
        f"taking everything down: {statistics.median(stopped):.1f} s"
    )
    beside = [each.whole_s for each in warm]
    name = "a start that adopts what a killed service left"
    return {"cold-start": measured([each.whole_s for each in cold], beside, "s", name, text)}


def _start(world: World, mumbai: Machine, pune: Machine) -> _Start:
    began = time.monotonic()
    deadline = began + _START_DEADLINE
    ready: list[float] = []
    watcher = threading.Thread(target=lambda: ready.append(_wait_until_ready(world, deadline)))
    watcher.start()
    try:
        world.subject.service.start(_START_DEADLINE)
        while not mumbai.host.ping(pune.address, timeout=_PING_EVERY):
            if time.monotonic() > deadline:
                raise Inconclusive(f"the machines did not reach each other {_START_DEADLINE:.0f} s after the start")
        reached = time.monotonic()
    finally:
        watcher.join()
    if ready[0] > deadline:
        raise Inconclusive(f"the service was not ready {_START_DEADLINE:.0f} s after the start")
    return _Start(ready[0] - began, reached - began)


def _wait_until_ready(world: World, deadline: float) -> float:
    """Returns the monotonic time at which /readyz first answered 200; infinity if it did not in time."""
    api = Api(world.subject.service.url, world.subject.service.certificate)
    try:
        while True:
            try:
                if api.send("GET", "/readyz").status == httpx.codes.OK:
                    return time.monotonic()
            except httpx.TransportError:
                pass
            if time.monotonic() > deadline:
                return float("inf")
            time.sleep(_POLL)
    finally:
        api.close()


def _check_nothing_left(world: World) -> None:
    namespaces = world.subject.lab_host.run("ip", "netns", "list").stdout.split("\n")[:-1]
    processes = memory.read(world.subject.lab_host).processes
    if namespaces or processes:
        raise Inconclusive(
            f"the stopped service left {len(namespaces)} namespaces and {processes} WireGuard processes: no cold start"
        )
