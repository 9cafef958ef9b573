"""Runs a burst from beginning to end."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path

from harness.burst import load
from harness.burst.attempt import Attempt
from harness.burst.clients import ClientPair
from harness.burst.coordinator import BurstSpec, Coordinator
from harness.burst.load import Load
from harness.judging.verdicts import Inconclusive
from harness.world.world import World

_LOOK_EVERY = 1.0
# Seconds without an ended attempt after which a process of locust must have died: no step takes so long.
_STALL = 600.0
_numbers = itertools.count()


def burst(
    world: World,
    machines: Sequence[ClientPair],
    spec: BurstSpec,
    processes: int = 1,
    on_attempt: Callable[[Attempt], None] = lambda _: None,
) -> list[Attempt]:
    """Onboards all organizations of a burst at once.

    Args:
        world: lab with the service.
        machines: pairs of clients; as many organizations are served at once.
        spec: organizations of the burst, with a number.
        processes: number of locust's processes.
        on_attempt: called with each attempt that has ended.

    Returns:
        Attempts in the order of their numbers; fewer than wanted if locust ended early.

    Raises:
        Inconclusive: locust ended before the first organization.
    """
    assert spec.organizations is not None
    path, log = _socket_and_log(world)
    with (
        Coordinator(world.subject.lab_host, machines, spec, path, on_attempt) as coordinator,
        load.running(Load(spec.organizations, processes), world.subject.service, path, log) as locust,
    ):
        _await_end(coordinator, locust)
    if not coordinator.attempts:
        raise Inconclusive(f"locust ended before the first organization: {_log_tail(log)}")
    return sorted(coordinator.attempts, key=attrgetter("number"))


def serve_page(
    world: World, machines: Sequence[ClientPair], spec: BurstSpec, users: int, processes: int
) -> list[Attempt]:
    """Onboards organizations as locust's page is told to, until Ctrl-C.

    Args:
        users: number of organizations that the page proposes.

    Returns:
        Attempts in the order of their numbers.

    Raises:
        Inconclusive: locust ended by itself.
    """
    path, log = _socket_and_log(world)
    with (
        Coordinator(world.subject.lab_host, machines, spec, path) as coordinator,
        load.running(Load(users, processes, page=True), world.subject.service, path, log) as locust,
    ):
        try:
            locust.wait()
        except KeyboardInterrupt:
            pass
        else:
            raise Inconclusive(f"locust ended by itself: {_log_tail(log)}")
    return sorted(coordinator.attempts, key=attrgetter("number"))


def _socket_and_log(world: World) -> tuple[Path, Path]:
    """Returns paths that no other burst uses."""
    name = f"burst-{next(_numbers)}"
    return world.lab.folder / f"{name}.sock", world.lab.folder / f"{name}.log"


def _log_tail(log: Path) -> str:
    return log.read_text(errors="replace")[-1000:]


def _await_end(coordinator: Coordinator, locust: subprocess.Popen[bytes]) -> None:
    ended, quiet = 0, 0.0
    while not coordinator.wait(_LOOK_EVERY) and locust.poll() is None and quiet < _STALL:
        now = len(coordinator.attempts)
        ended, quiet = now, quiet + _LOOK_EVERY if now == ended else 0.0
