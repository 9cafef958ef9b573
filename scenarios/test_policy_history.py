"""Saves and readings of one policy by several members at once: they can have happened one after the other."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness.client.api import Api
from harness.judging.linearizability import Operation, one_order
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.mesh import Rule
from harness.overlay.tables import Tables
from harness.overlay.truth import PortProtocol
from harness.world.world import World

pytestmark = pytest.mark.claim("policy-churn")

ROUNDS = {"quick": 8, "full": 40}
_WRITERS = 3
_OK, _CONFLICT = 200, 409
_BY_VERSION = 0.75
"""Share of saves that are to replace one version only."""

State = tuple[int, str]
"""Version of a policy, and the ports that it denies."""


def test_saves_and_readings_at_once_have_one_order(world: World, record: Record, profile: str) -> None:
    """Writers read a policy, save another one in place of that version, and save whatever is there. There is one order
    in which all of it can have happened, each between its request and its answer; and packets follow the last policy.
    """
    mesh = world.organization(record)
    machines = mesh.machines("mumbai", "pune")
    mesh.save("allow", [])
    start = _state(mesh.api.call("GET", "/policy").body)
    with ThreadPoolExecutor(_WRITERS) as pool:
        writers = [
            pool.submit(_write, mesh.api.duplicate(), random.Random(f"writer {at} {world.seed}"), at, ROUNDS[profile])
            for at in range(_WRITERS)
        ]
        history = [operation for writer in writers for operation in writer.result()]
    counted = Counter(each.text.partition(" ")[0] for each in history)
    record.measure("operations in the history", len(history))
    if one_order(history, start) is None:
        told = "; ".join(each.text for each in sorted(history, key=lambda each: each.answered_ns))
        raise Refuted(f"no order of the saves explains the answers: {told}")
    record.at_least("saves that were refused, since their version was not there any more", counted["refused"], 1)
    shown = mesh.api.call("GET", "/policy").body
    mesh.default, mesh.rules = shown["default"], tuple(shown["rules"])
    services = [PortProtocol("udp", _port(at, number)) for at in range(_WRITERS) for number in range(ROUNDS[profile])]
    probed = Tables(mesh, services, random.Random(f"history {world.seed}")).check(machines)
    record.at_least("probes that the last policy denies", probed.denied, 1)


def _write(api: Api, chance: random.Random, writer: int, rounds: int) -> list[Operation[State]]:
    """Reads and saves in turn; returns what was answered."""
    history = []
    for number in range(rounds):
        read = api.call("GET", "/policy")
        seen = _state(read.body)
        history.append(Operation(read.requested_ns, read.answered_ns, _reading(seen), f"read {seen}"))
        ports = str(_port(writer, number))
        body = {"default": "allow", "rules": [_denial(ports)]}
        expected = seen[0] if chance.random() < _BY_VERSION else None
        saved = api.send("PUT", "/policy", body if expected is None else {**body, "version": expected})
        times = saved.requested_ns, saved.answered_ns
        if saved.status == _OK:
            state = _state(saved.body)
            history.append(Operation(*times, _save(expected, state), f"saved {state} in place of {expected or 'any'}"))
        elif saved.status == _CONFLICT and expected is not None:
            history.append(Operation(*times, _refusal(expected), f"refused {ports} in place of {expected}"))
        else:
            raise Inconclusive(f"a save was answered {saved.status}: {saved.body}")
    api.close()
    return history


def _port(writer: int, number: int) -> int:
    """Port that a save denies, and no other one."""
    return 10_000 * (writer + 1) + number


def _denial(ports: str) -> Rule:
    return {"action": "deny", "source": "any", "destination": "any", "protocol": "udp", "ports": ports}


def _state(policy: Mapping[str, Any]) -> State:
    return policy["version"], " ".join(rule["ports"] for rule in policy["rules"])


def _reading(seen: State) -> Callable[[State], State | None]:
    return lambda now: now if now == seen else None


def _save(expected: int | None, state: State) -> Callable[[State], State | None]:
    return lambda now: state if expected in (None, now[0]) and state[0] > now[0] else None


def _refusal(expected: int) -> Callable[[State], State | None]:
    return lambda now: now if now[0] != expected else None
