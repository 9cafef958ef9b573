"""The gate of a lease before a front door is proven for all datagrams, and each fault of one is found."""

from __future__ import annotations

import pytest

from appliance.hub.front_door import lease_gate
from harness.proof.errors import Unmodelled
from harness.proof.front_door import GateFault, prove_door, wrong_gate
from tests.harness.proof.front_door.doors import ADDRESS, ADDRESS6, OF_A_SHARD, OF_A_SHARD6, PORT, Doorway

_GATE = "mwtestgate"
_HOST = f"ip daddr {ADDRESS} udp dport {PORT} fib daddr type local"

FAULTS = [
    ("meta l4proto @counts0 meta l4proto @offered0 accept", "meta l4proto @counts0 accept", "OPEN"),
    ("meta l4proto @counts1 meta l4proto @offered1 accept", "meta l4proto @offered1 accept", "OPEN"),
    ("meta l4proto @counts1 meta l4proto @offered1", "meta l4proto @counts1 meta l4proto @offered0", "OPEN SHUT"),
    ("meta l4proto @counts0 meta l4proto @offered0 accept", "", "SHUT"),
    ("counter name closed drop", "counter name closed", "OPEN"),
    (_HOST, f"ip daddr {ADDRESS} udp dport {PORT + 1} fib daddr type local", "OPEN STRAY"),
    (_HOST, f"ip daddr 192.0.2.101 udp dport {PORT} fib daddr type local", "OPEN STRAY"),
    (_HOST, f"ip daddr {ADDRESS} udp dport {PORT}", "STRAY"),
    (_HOST, f"udp dport {PORT} fib daddr type local", "STRAY"),
    (f"ip saddr {ADDRESS} udp sport {PORT}", f"ip saddr {ADDRESS} udp sport {PORT + 1}", "OPEN STRAY"),
    (f"ip saddr {ADDRESS} udp sport {PORT}", f"ip saddr {ADDRESS} fib saddr type local udp sport {PORT}", "OPEN"),
]
"""Texts of the gate, what stands there instead, and what it does wrong then."""


def gate(*change: str, address: object = ADDRESS) -> str:
    """Returns the product's gate, or one with a text in place of another."""
    text = lease_gate.rules(_GATE, address, PORT)  # type: ignore[arg-type]
    if change:
        old, new = change
        assert old in text, f"the gate has no {old!r}"
        text = text.replace(old, new)
    return text


@pytest.mark.long
def test_the_product_s_gate_does_nothing_wrong(doorway: Doorway) -> None:
    for layout, address in ((OF_A_SHARD, ADDRESS), (OF_A_SHARD6, ADDRESS6)):
        doorway.load(more=gate(address=address), layout=layout)
        reading = doorway.read()
        assert reading.gate == _GATE
        assert list(wrong_gate(reading)) == []
        assert all(proof.holds for proof in prove_door(reading))


@pytest.mark.parametrize(("old", "new", "names"), FAULTS)
def test_a_fault_of_a_gate_is_found_by_both_engines(doorway: Doorway, old: str, new: str, names: str) -> None:
    doorway.load(more=gate(old, new), layout=OF_A_SHARD)
    said = list(wrong_gate(doorway.read()))
    assert {fault.name for fault in GateFault if any(fault.value in each for each in said)} == set(names.split())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("hook prerouting priority raw - 10", "hook prerouting priority raw + 1"),
        ("hook output priority raw + 10", "hook output priority raw - 10"),
    ],
)
def test_a_gate_on_the_door_s_other_side_is_refuted(doorway: Doorway, old: str, new: str) -> None:
    doorway.load(more=gate(old, new), layout=OF_A_SHARD)
    assert [each for each in wrong_gate(doorway.read()) if "has changed, or will change" in each]


@pytest.mark.parametrize(("element", "is_wrong"), [("17", True), ("17 timeout 1h", True), ("17 timeout 1700ms", False)])
def test_an_element_that_outlasts_a_lease_is_refuted(doorway: Doorway, element: str, is_wrong: bool) -> None:
    doorway.load(more=gate() + f"add element inet {_GATE} offered1 {{ {element} }}\n", layout=OF_A_SHARD)
    assert bool(list(wrong_gate(doorway.read()))) is is_wrong


def test_a_door_with_one_address_needs_a_gate(doorway: Doorway) -> None:
    doorway.load()
    assert list(wrong_gate(doorway.read())) == []
    doorway.load(layout=OF_A_SHARD)
    assert ["no gate of a lease" in each for each in wrong_gate(doorway.read())] == [True]


def test_a_gate_of_another_form_is_refused(doorway: Doorway) -> None:
    more = gate(
        "set counts1 { type inet_proto; }", "set counts1 { type inet_proto; flags dynamic,timeout; timeout 1m; }"
    )
    rule = f"add rule inet {_GATE} judge update @counts1 {{ meta l4proto }}\n"
    doorway.load(more=more + rule, layout=OF_A_SHARD)
    with pytest.raises(Unmodelled, match="another counts1"):
        list(wrong_gate(doorway.read()))
