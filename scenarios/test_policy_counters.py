"""Counters of rules add up to the packets that were sent."""

from __future__ import annotations

import random
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.drawn import defaults, draw_rules, groups_of
from harness.overlay.machine import PROBE_DEADLINE, Machine
from harness.overlay.mesh import Mesh, Rule
from harness.overlay.truth import CellKey, PortProtocol, borders, is_allowed
from harness.world.world import World
from netlab import wait_until

pytestmark = pytest.mark.claim("policy-enforcement")

POLICIES = {"quick": 2, "full": 10}
NAMES = ("asha", "bela", "chand", "dev")
_PORTS, _DISCARD = 4, 9
"""Ports of rules at which machines listen, and one that few rules name."""
_MOST_SENT, _LONGEST = 5, 60
_HEADERS = 28
"""Bytes of the headers of a UDP packet."""
_DEADLINE_S = 10.0


@dataclass(frozen=True)
class Amount:
    """Packets and the bytes of them."""

    packets: int = 0
    bytes: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.packets + other.packets, self.bytes + other.bytes)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.packets - other.packets, self.bytes - other.bytes)


NOTHING = Amount()


def test_counters_of_rules_add_up_to_what_was_sent(world: World, record: Record, profile: str) -> None:
    """Under policies with rules of every kind, machines send each other datagrams to ports that rules name, and answer.
    Each packet is counted once: what denies has counted all packets that the policy denies, and what allows all others,
    to the byte. No rule has counted more packets than it speaks of.
    """
    mesh = world.organization(record)
    machines = mesh.machines(*NAMES, groups=map(groups_of, range(len(NAMES))))
    chance = random.Random(f"counters {world.seed}")
    sent: Counter[str] = Counter()
    for default in defaults(chance, POLICIES[profile]):
        sent.update(_check(mesh, machines, default, chance))
    record.measure("policies", POLICIES[profile])
    record.at_least("packets that were allowed", sent["allow"], 20)
    record.at_least("packets that were denied", sent["deny"], 20)


def _check(mesh: Mesh, machines: Sequence[Machine], default: str, chance: random.Random) -> dict[str, int]:
    """Draws a policy and packets, and compares the counters; returns the number of packets by their verdict."""
    rules: list[Rule] = mesh.save(default, draw_rules(chance, [each.id for each in machines])).body["rules"]
    before = _counted(mesh)
    amounts = _exchange(mesh, machines, default, chance)
    wanted = {action: _sum(amounts, default, rules, action) for action in ("allow", "deny")}
    found: dict[str | None, Amount] = {}

    def is_complete() -> bool:
        found.update({each: now - before.get(each, NOTHING) for each, now in _counted(mesh).items()})
        counted = _by_action(found, default, rules)
        return all(counted[action].packets >= amount.packets for action, amount in wanted.items())

    # A reading is shared for a while by all who ask.
    wait_until(is_complete, _DEADLINE_S)
    counted = _by_action(found, default, rules)
    if counted != wanted:
        raise Refuted(f"counters do not add up to what was sent: {counted}, and not {wanted}, default {default}")
    for rule in rules:
        most = sum(amount.packets for cell, amount in amounts.items() if _decides(rule, cell, default, rules))
        if found.get(rule["id"], NOTHING).packets > most:
            raise Refuted(f"a rule has counted {found[rule['id']]}, and decides {most} packets: {rule}")
    return {action: amount.packets for action, amount in wanted.items()}


def _exchange(mesh: Mesh, machines: Sequence[Machine], default: str, chance: random.Random) -> dict[CellKey, Amount]:
    """Sends datagrams between all machines; every one that arrives is answered.

    Returns:
        What was sent in each cell, answers included.
    """
    near = sorted({port for rule in mesh.rules for port in borders(rule) if port > 0})
    ports = [_DISCARD, *chance.sample(near, _PORTS)]
    amounts: dict[CellKey, Amount] = {}
    with ExitStack() as stack:

        def opened(machine: Machine, port: int) -> socket.socket:
            made = stack.enter_context(machine.host.socket(socket.AF_INET, socket.SOCK_DGRAM))
            made.settimeout(PROBE_DEADLINE)
            made.bind((machine.address, port))
            return made

        # A kernel would report a port at which nobody listens, by one more packet.
        listening = {(machine, port): opened(machine, port) for machine in machines for port in dict.fromkeys(ports)}
        sending = {machine: opened(machine, 0) for machine in machines}
        for source in machines:
            for destination in machines:
                for port in dict.fromkeys(ports) if destination is not source else ():
                    cell = CellKey(source, destination, PortProtocol("udp", port))
                    data = [bytes(chance.randrange(_LONGEST)) for _ in range(chance.randint(1, _MOST_SENT))]
                    for each in data:
                        sending[source].sendto(each, (destination.address, port))
                    source.fence()
                    if is_allowed(cell, default, mesh.rules):
                        data += _answered(listening[destination, port], sending[source], len(data))
                    amounts[cell] = Amount(len(data), sum(_HEADERS + len(each) for each in data))
    return amounts


def _answered(listening: socket.socket, sending: socket.socket, number: int) -> list[bytes]:
    """Receives datagrams, sends each of them back, and returns what came back.

    Raises:
        Inconclusive: one does not arrive.
    """
    try:
        for _ in range(number):
            listening.sendto(*listening.recvfrom(_LONGEST))
        # Waited for here, because the kernel of a socket that is closed by then would answer with one more packet.
        return [sending.recv(_LONGEST) for _ in range(number)]
    except TimeoutError as error:
        raise Inconclusive("a datagram that is allowed did not arrive, so that nobody knows what was sent") from error


def _counted(mesh: Mesh) -> dict[str | None, Amount]:
    """Returns what each rule has counted, and the default, by None."""
    body = mesh.api.call("GET", "/policy/counters").body
    rules = {each["rule"]: Amount(each["packets"], each["bytes"]) for each in body["rules"]}
    return {**rules, None: Amount(body["unmatched_packets"], body["unmatched_bytes"])}


def _sum(amounts: Mapping[CellKey, Amount], default: str, rules: Sequence[Rule], action: str) -> Amount:
    of_action = [amount for cell, amount in amounts.items() if is_allowed(cell, default, rules) is (action == "allow")]
    return sum(of_action, NOTHING)


def _by_action(found: Mapping[str | None, Amount], default: str, rules: Sequence[Rule]) -> dict[str, Amount]:
    actions: dict[str | None, str] = {**{rule["id"]: rule["action"] for rule in rules}, None: default}
    return {
        action: sum((found.get(each, NOTHING) for each, own in actions.items() if own == action), NOTHING)
        for action in ("allow", "deny")
    }


def _decides(rule: Rule, cell: CellKey, default: str, rules: Sequence[Rule]) -> bool:
    """Returns True if a rule speaks of a cell, and its action is the verdict."""
    speaks_of_it = is_allowed(cell, "deny", [{**rule, "action": "allow"}])
    return speaks_of_it and is_allowed(cell, default, rules) is (rule["action"] == "allow")
