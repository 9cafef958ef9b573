"""Organizations whose rules were compiled, loaded into a real namespace and read back from there."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from appliance.hub.names import Names
from appliance.model.desired import Desired, Peer
from appliance.model.ids import new_instance_id
from appliance.model.policy import ANYONE, Action, Protocol, Rule, Selector, SelectorKind
from appliance.model.policy import Policy as Wanted
from appliance.model.port_ranges import parse_ports
from harness.overlay.drawn import draw_groups, draw_rules
from harness.proof import Machine, Policy, Reading, read
from harness.proof.engines import ENGINES
from tests.appliance.hub.ruled import Kernel, members, rule, state_of
from tests.appliance.hub.wire import Wire
from tests.sandboxes import need_sandbox

FIRST_ENGINE, _SECOND_ENGINE = ENGINES
BY_SECOND_IN_FULL = (FIRST_ENGINE, pytest.param(_SECOND_ENGINE, marks=pytest.mark.full))
"""Engines of a test whose second one takes long, and is asked about smaller rulesets of the kind in each profile."""
FIRST, SECOND, THIRD, FOURTH = (
    replace(peer, groups=frozenset(groups))
    for peer, groups in zip(members(4), ({"red"}, {"red", "green"}, {"blue"}, {"green"}), strict=True)
)
PEERS = (FIRST, SECOND, THIRD, FOURTH)


def group(name: str) -> Selector:
    """A selector of a group."""
    return Selector(SelectorKind.GROUP, name)


def mixed(default: Action = Action.DENY) -> Desired:
    """Rules of every shape, action and protocol, with single ports and ranges."""
    rules = (
        rule("a1", Action.ALLOW, FIRST, SECOND, Protocol.TCP, "22,80,8000-8100"),
        rule("a2", Action.ALLOW, None, FOURTH),
        rule("a3", Action.ALLOW, None, None, Protocol.ICMP),
        Rule("a4", Action.ALLOW, ANYONE, group("blue")),
        Rule("a5", Action.ALLOW, group("green"), ANYONE, Protocol.UDP, parse_ports("5000-65535")),
        rule("d1", Action.DENY, THIRD, SECOND, Protocol.UDP, "53,100-200"),
        rule("d2", Action.DENY, THIRD, FIRST, Protocol.ICMP),
        Rule("d3", Action.DENY, group("green"), group("green")),
        Rule("d4", Action.DENY, group("red"), ANYONE, Protocol.TCP, parse_ports("9,50-60")),
        Rule("d5", Action.DENY, ANYONE, ANYONE, Protocol.UDP, parse_ports("7,9-10")),
    )
    return state_of(PEERS, Wanted(default, rules))


def in_buckets() -> Desired:
    """More rules than one lookup holds, so that it is spread over buckets."""
    peers = members(14)
    pairs = [(a, b) for a in peers for b in peers if a is not b]
    rules = [rule(f"r{at}", Action.ALLOW, a, b, Protocol.TCP, "22") for at, (a, b) in enumerate(pairs[:150])]
    return state_of(peers, Wanted(Action.DENY, tuple(rules)))


def grouped() -> Desired:
    """The rules of `mixed`, and many between groups, of which machines are in several."""
    chance, names = random.Random("groups"), [f"g{number}" for number in range(16)]
    others = members(32)[len(PEERS) :]
    peers = (*PEERS, *(replace(peer, groups=frozenset(draw_groups(chance, names))) for peer in others))
    drawn = draw_rules(chance, [peer.id for peer in others], 120, names)
    inside = (Rule(f"i{name}", Action.ALLOW, group(name), group(name), Protocol.UDP) for name in names)
    return state_of(peers, Wanted(Action.DENY, (*mixed().policy.rules, *inside, *map(_rule_of, drawn))))


def _rule_of(drawn: Mapping[str, str]) -> Rule:
    return Rule.parse(**drawn)


def overlapping() -> Desired:
    """Rules of one pair of machines whose ports overlap, begin in others and end with others."""
    ports = ("20-30,40,65535", "25-35,40-50,30", "1-22,50-60")
    ends = ((Action.ALLOW, FIRST, SECOND, Protocol.TCP), (Action.DENY, SECOND, FIRST, Protocol.UDP))
    rules = [rule(f"r{end}{at}", *ends[end], text) for end in range(len(ends)) for at, text in enumerate(ports)]
    return state_of(PEERS, Wanted(Action.DENY, tuple(rules)))


def small() -> Desired:
    """Two machines, an allowance and a denial that lies in it."""
    rules = (
        rule("a", Action.ALLOW, FIRST, SECOND, Protocol.TCP),
        rule("d", Action.DENY, FIRST, SECOND, Protocol.TCP, "22"),
    )
    return state_of((FIRST, SECOND), Wanted(Action.DENY, rules))


def policy_of(desired: Desired) -> Policy:
    """The policy as the harness knows it from the API."""
    return Policy(
        desired.network,
        tuple(map(_machine, desired.peers)),
        desired.policy.default.value,
        [
            {
                "action": each.action.value,
                "source": str(each.source),
                "destination": str(each.destination),
                "protocol": each.protocol.value,
                "ports": ",".join(f"{ports.first}-{ports.last}" for ports in each.ports) or "all",
            }
            for each in desired.policy.rules
        ],
    )


def _machine(peer: Peer) -> Machine:
    return Machine(peer.id, peer.address, peer.groups)


@contextmanager
def kernels() -> Iterator[Kernel]:
    """A namespace with a link, in which rules can be loaded."""
    need_sandbox()
    names = Names(new_instance_id()).of("bbbbbbbbbb")
    with closing(Wire(names)) as wire, closing(Kernel(wire)) as kernel:
        yield kernel


def reading_of(kernel: Kernel) -> Reading:
    """Reads its namespace back."""
    return read(lambda *words: _run(kernel.wire.names.namespace, *words))


def _run(namespace: str, *words: str) -> str:
    command = ["ip", "netns", "exec", namespace, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
