"""Addresses that the kernel looks no route up for, beside what it does to real packets."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from harness.proof import Reading
from harness.proof.atoms import Fate
from harness.proof.engines import ENGINES, prove_by
from harness.proof.fields import UDP, Flow, Variable, addresses
from harness.proof.replay.comparing import compare
from harness.proof.replay.replaying import Replay, replay
from harness.proof.routing import Way
from harness.proof.words import Counterexample
from tests.harness.proof.compiled import mixed, policy_of
from tests.harness.proof.fates import ANY, ROUTING, fate
from tests.harness.proof.listings import ACCEPT, MARK, ct, match, parsed
from tests.harness.proof.ruleset_faults import Rule, edited, in_chain, open_everything
from tests.harness.proof.test_replay_faults import without_forwarding

CASES = [
    ("10.100.0.2", "255.255.255.255", {Fate.DELIVERED}),
    ("0.0.0.0", "255.255.255.255", {Fate.DELIVERED}),
    ("0.0.0.0", "0.0.0.0", {Fate.DELIVERED}),
    ("10.100.0.2", "224.0.0.1", {Fate.DELIVERED, Fate.DROPPED}),
    ("0.0.0.0", "224.0.0.1", {Fate.DELIVERED, Fate.DROPPED}),
    ("10.100.0.2", "239.255.255.255", {Fate.DELIVERED, Fate.DROPPED}),
    ("127.0.0.1", "224.0.0.1", {Fate.DROPPED}),
    ("0.0.0.0", "10.100.0.3", {Fate.DROPPED}),
    ("10.100.0.2", "0.0.0.0", {Fate.DROPPED}),
    ("0.0.0.1", "10.100.0.3", {Fate.FORWARDED}),
    ("10.100.0.2", "0.255.255.255", {Fate.FORWARDED}),
    ("127.0.0.1", "10.100.0.3", {Fate.DROPPED}),
    ("10.100.0.2", "127.255.255.255", {Fate.DROPPED}),
    ("224.0.0.1", "10.100.0.3", {Fate.DROPPED}),
    ("224.0.0.1", "255.255.255.255", {Fate.DROPPED}),
    ("255.255.255.255", "255.255.255.255", {Fate.DROPPED}),
    ("240.0.0.1", "10.100.0.3", {Fate.FORWARDED}),
]  # fmt: skip


@pytest.fixture(scope="module")
def open_reading(reading: Reading) -> Reading:
    """Everything gets the mark and may come in, and there is a route for everything."""

    def open_all(rules: list[Rule]) -> None:
        open_everything(rules)
        for rule in in_chain(rules, "hub"):
            rule["expr"] = [{"accept": None}]

    link = next(name for name in reading.link_indexes if name != "lo")
    way_out = {"dst": "default", "dev": link, "table": "100", "flags": []}
    return replace(edited(reading, open_all), routes=[*reading.routes, way_out])


@pytest.mark.parametrize(("source", "destination", "fates"), CASES)
def test_the_fate_of_a_reserved_address(source: str, destination: str, fates: set[Fate]) -> None:
    # The rule matches whatever the state is, and has tracking on.
    accepting = parsed([match(ct("state"), "new", "in"), MARK, ACCEPT])
    routing = replace(ROUTING, routes={"local": ROUTING.routes["local"], "100": ROUTING.routes["100"]})
    assert fate(accepting, source=source, destination=destination, routing=routing) == fates
    assert ROUTING.routes["100"][0].destination == ANY
    assert ROUTING.routes["local"][0].way is Way.LOCAL


@pytest.mark.long
def test_the_kernel_does_so(open_reading: Reading) -> None:
    link = next(index for name, index in open_reading.link_indexes.items() if name != "lo")
    ends = [(IPv4Address(source), IPv4Address(destination)) for source, destination, _ in CASES]
    outcomes = replay(open_reading, [_new(link, *map(int, each)) for each in ends])
    for (source, destination, fates), outcome in zip(CASES, outcomes, strict=True):
        assert isinstance(outcome, Replay)
        assert outcome.fate in fates, (source, destination)


def test_all_classes_of_open_rules_fare_as_computed(open_reading: Reading) -> None:
    compared = compare(open_reading, 1)
    assert not compared.wrong, "\n".join(compared.wrong)
    assert {fate for _, fate in compared.fates} == set(Fate)
    assert compared.agreed > 0.8 * compared.pairs, compared.unreached


@pytest.mark.parametrize("engine", ENGINES)
def test_rules_that_deliver_a_broadcast_are_refuted(open_reading: Reading, engine: str) -> None:
    """No route says so, and the kernel does it."""
    routes = [route for route in open_reading.routes if route.get("table") != "local"]
    closed = without_forwarding(replace(open_reading, routes=routes))
    (found,) = prove_by([engine], closed, policy_of(mixed()), most=1)
    delivered = [each for each in found.counterexamples if each.fate == Fate.DELIVERED.value]
    assert delivered
    assert all(is_reserved(each) for each in delivered)


def is_reserved(example: Counterexample) -> bool:
    """True if a packet goes to a group, to everybody, or from nobody to nobody."""
    flow = Flow(example.values[Variable.FLOW])
    _, destination = (IPv4Address(example.values[each]) for each in addresses(flow))
    return destination.is_multicast or int(destination) in (0, 0xFFFF_FFFF)


def _new(link: int, source: int, destination: int) -> dict[Variable, int]:
    zeros = dict.fromkeys(Variable, 0)
    found = {
        Variable.FLOW: int(Flow.NEW),
        Variable.LINK: link,
        Variable.PROTOCOL: UDP,
        Variable.SOURCE: source,
        Variable.DESTINATION: destination,
        Variable.SOURCE_PORT: 40000,
        Variable.DESTINATION_PORT: 5000,
        Variable.QUOTED: 0x45,
    }
    return zeros | found
