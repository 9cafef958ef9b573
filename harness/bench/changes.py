"""Time of changes, and packets that a change lets through too late."""

from __future__ import annotations

import time
from collections.abc import Callable

from harness.bench.beside import MOST_TURNS, Measured, high, measured, share
from harness.judging.answer import Answer
from harness.judging.judgement import Phase, count_sent_while, delivered_although_denied
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.overlay.mesh import Mesh
from harness.world.world import World
from netlab import UdpStream

_INTERVAL = 0.001
_HOLD = 0.004
"""Seconds between changes of the policy, so that a few packets meet each."""


def measure(world: World, saves: int, flips: int, adds: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Measures saves, changes under traffic, and additions of machines, on an otherwise idle service.

    Args:
        saves: number of saves.
        flips: number of changes between deny and allow under traffic.
        adds: number of machines that are added.
        tell: takes messages about progress.
    """
    mesh = world.organization(Record())
    tell(f"{saves} policy saves, in turns with a request that changes nothing")
    found = _saves(mesh, saves)
    tell(f"{flips} flips under traffic")
    found["late-packets"] = _flips(mesh, flips)
    tell(f"{adds} machines added")
    found["machine-add"] = _adds(mesh, adds)
    return found


def _saves(mesh: Mesh, count: int) -> dict[str, Measured]:
    mumbai, pune = mesh.machines("mumbai", "pune")
    saved, read = [], []
    for number in range(count):
        change = mesh.deny if number % 2 == 0 else mesh.allow
        saved.append(change(mumbai, pune).seconds * 1e3)
        read.append(mesh.api.call("GET", "/policy").seconds * 1e3)
    return {
        "save-median": measured(saved, read, "ms", "GET /policy"),
        "save-p99": measured(saved, read, "ms", "GET /policy", of=high),
    }


def _flips(mesh: Mesh, count: int) -> Measured:
    sender, receiver = mesh.machines("delhi", "jaipur")
    phases: list[Phase] = []
    with UdpStream(sender.host, receiver.host, receiver.address, 0, interval_s=_INTERVAL) as stream:
        stream.wait_delivery(0, 5.0)
        before: Answer | None = None
        for number in range(count + 1):
            answer = (mesh.deny if number % 2 == 0 else mesh.allow)(sender, receiver)
            if before is not None:
                phases.append(Phase(number % 2 == 0, before.answered_ns, answer.requested_ns))
            before = answer
            time.sleep(_HOLD)
    sent, received = stream.sent(), stream.received()
    turns = [phases[number::MOST_TURNS] for number in range(min(MOST_TURNS, count))]
    denied = [count_sent_while(turn, sent, allowed=False) for turn in turns]
    passed = count_sent_while(phases, received, allowed=True)
    if min(sum(denied), passed) < count // 2:
        raise Inconclusive(f"{sum(denied)} packets sent while denied and {passed} delivered: too few to tell")
    late = [len(delivered_although_denied(turn, received)) for turn in turns]
    words = f"{sum(late)} of {sum(denied)} sent while denied; {passed} delivered while allowed, {count} flips"
    return share(late, denied, words)


def _adds(mesh: Mesh, count: int) -> Measured:
    took, read = [], []
    for number in range(count):
        answer = mesh.api.call("POST", "/machines", {"name": f"machine {number}"})
        took.append(answer.seconds * 1e3)
        read.append(mesh.api.call("GET", "/policy").seconds * 1e3)
    return measured(took, read, "ms", "GET /policy")
