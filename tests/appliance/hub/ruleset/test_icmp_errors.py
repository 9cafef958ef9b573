"""ICMP errors in a real ruleset pass only from an end of the connection that they quote."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.hub.ruleset import UNMATCHED, counter_name
from appliance.model.configuration import MTU
from appliance.model.desired import Desired
from appliance.model.policy import Action, Policy, Protocol
from tests.appliance.hub.ruled import Kernel, members, rule, state_of
from tests.appliance.hub.ruleset.test_ruleset import ON_A_KERNEL, cells, verdict
from tests.appliance.hub.wire import EXCEEDED, HUB, PROBLEM, UNREACHABLE, Flow, ip
from tests.appliance.strategies import desired_states

PASSING = (UNREACHABLE, EXCEEDED, PROBLEM)
REDIRECT, QUENCH = 5, 4
FIRST, SECOND, THIRD = members(3)
PROTOCOLS = ("tcp", "udp", "icmp", "gre")
_WORD = 4


def opened(kernel: Kernel, protocol: str = "udp", *, answered: bool = True) -> Flow:
    """Opens a connection from the first machine to the second, the only one that the policy allows."""
    allowed = rule("a", Action.ALLOW, FIRST, SECOND)
    kernel.load(state_of((FIRST, SECOND, THIRD), Policy(Action.DENY, (allowed,))))
    flow = kernel.new_flow(FIRST, SECOND, protocol, 22)
    assert kernel.wire.passes(flow.opening())
    if answered:
        assert kernel.wire.passes(flow.reply())
    return flow


@pytest.mark.parametrize("of_reply", [False, True])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_errors_pass_from_the_end_that_was_addressed(kernel: Kernel, protocol: str, of_reply: bool) -> None:
    """Sends every kind and code from either end and from a third machine; messages that are no errors are queries."""
    flow = opened(kernel, protocol)
    # A query from the first to the second machine is allowed, so kinds that are none but look like one aren't probed.
    codes = range(256) if protocol == "udp" else range(16)
    kinds = range(256) if protocol == "udp" and not of_reply else range(20)
    tried = {
        (sender, kind, code): flow.error(kind, code, sender=sender, of_reply=of_reply)
        for sender in (None, THIRD.address)
        for kind in kinds
        for code in (codes if kind in PASSING else range(16))
        if of_reply is False or kind in (*PASSING, REDIRECT, QUENCH)
    }
    passed = kernel.wire.passing(tried.values())
    assert {key for key, packet in tried.items() if packet in passed} == {
        (sender, kind, code) for sender, kind, code in tried if sender is None and kind in PASSING
    }


@pytest.mark.parametrize("default", Action)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_errors_from_other_senders_are_dropped(kernel: Kernel, protocol: str, default: Action) -> None:
    """Sends errors of a third machine, whatever the rules, of the wrong end, and of the hub's address."""
    flow = opened(kernel, protocol)
    kernel.load(state_of((FIRST, SECOND, THIRD), Policy(default, (rule("a", Action.ALLOW, None, None),))))
    others = (THIRD.address, IPv4Address("10.100.255.250"), HUB)
    tried = [
        flow.error(kind, sender=sender, receiver=receiver, of_reply=of_reply)
        for kind in (*PASSING, REDIRECT, QUENCH)
        for of_reply in (False, True)
        for receiver in (FIRST.address, SECOND.address, THIRD.address)
        for sender in (*others, FIRST.address, SECOND.address)
        if (sender, receiver) != ((flow.source, flow.destination) if of_reply else (flow.destination, flow.source))
    ]
    assert kernel.wire.passing(tried) == set()
    ends = [flow.error(of_reply=of_reply) for of_reply in (False, True)]
    assert kernel.wire.passing(ends) == set(ends)


def forgeries(flow: Flow) -> Iterator[tuple[str, bytes]]:
    """Makes quotes of packets that no machine has sent, with the ends of an existing connection."""
    real = flow.opening()
    other = replace(flow, own_port=flow.own_port ^ 1)
    yield "another port", other.opening()
    yield "ends exchanged", flow.reply()
    yield "another protocol", real[:9] + b"\x88" + real[10:]
    yield "a later fragment", real[:6] + b"\x00\x10" + real[8:]
    yield "no ports", real[:20]
    yield "no header", real[:12]
    yield "nothing", b""
    yield "another version", b"\x65" + real[1:]
    yield "a header of no length", b"\x40" + real[1:]
    yield "a header beyond the packet", b"\x4f" + real[1:24]
    yield "an error about an error", flow.error()
    yield "the hub's address", ip(flow.source, HUB, "udp", real[20:])


@pytest.mark.parametrize("default", Action)
def test_errors_with_forged_quotes_are_dropped(kernel: Kernel, default: Action) -> None:
    """Sends them from end to end, where each may open connections of any kind."""
    flow = opened(kernel)
    rules = (rule("a", Action.ALLOW, FIRST, SECOND), rule("b", Action.ALLOW, SECOND, FIRST))
    kernel.load(state_of((FIRST, SECOND, THIRD), Policy(default, rules)))
    for name, quoted in forgeries(flow):
        for kind in (*PASSING, REDIRECT, QUENCH):
            assert not kernel.wire.passes(flow.error(kind, quoted=quoted)), (name, kind)


def test_a_quoted_header_may_have_options(kernel: Kernel) -> None:
    """Sends options from a third machine too, which knows the addresses and ports of a connection."""
    flow = opened(kernel)
    quoted = ip(flow.source, flow.destination, "udp", flow.opening()[20:], options=b"\x01" * 3 * _WORD)
    assert kernel.wire.passes(flow.error(quoted=quoted))
    assert not kernel.wire.passes(flow.error(quoted=quoted, sender=THIRD.address))
    # Where the destination stands in a header without options, this one has the third machine's address.
    moved = ip(flow.source, flow.destination, "udp", THIRD.address.packed, options=THIRD.address.packed * 2)
    assert not kernel.wire.passes(flow.error(quoted=moved, sender=THIRD.address))


def test_an_error_may_have_options_of_its_own(kernel: Kernel) -> None:
    flow = opened(kernel)
    for sender, passes in ((flow.destination, True), (THIRD.address, False)):
        packet = ip(sender, flow.source, "icmp", flow.error()[20:], options=b"\x01" * _WORD)
        assert kernel.wire.passes(packet) is passes


@pytest.mark.parametrize("network", ["10.100.0.0/28", "10.64.0.0/10", "10.0.0.0/8", "192.168.16.0/22"])
def test_ends_differ_by_every_bit(kernel: Kernel, network: str) -> None:
    """Tests, in networks of any length, addresses that differ in one bit from an end's."""
    first, second = (IPv4Network(network).network_address + number for number in (2, 5))
    state = replace(state_of((), Policy(Action.ALLOW)), network=IPv4Network(network))
    kernel.load(state)
    kernel.wire.lead(IPv4Network(network))
    flow = Flow(first, second, "udp", 22)
    assert kernel.wire.passes(flow.opening())
    assert kernel.wire.passes(flow.error())
    bits = range(32 - IPv4Network(network).prefixlen)
    near = [IPv4Address(int(second) ^ 1 << bit) for bit in bits]
    assert kernel.wire.passing([flow.error(sender=sender) for sender in near]) == set()


@ON_A_KERNEL
@given(desired_states())
def test_an_error_gets_the_verdict_of_its_connection(kernel: Kernel, desired: Desired) -> None:
    """Compares verdict and counter with the connection's, under every policy after it was opened."""
    flows = []
    kernel.load(replace(desired, policy=Policy(Action.ALLOW)))
    for source, destination, protocol, port in cells(desired):
        if protocol == "gre":
            # All of one pair are one connection, and connections begin anew with each.
            continue
        flow = kernel.new_flow(source, destination, protocol, port)
        assert kernel.wire.passes(flow.opening())
        flows.append((flow, verdict(desired, source, destination, protocol, port) is Action.ALLOW))
    kernel.load(desired)
    start = kernel.counts()
    errors = {flow.error(of_reply=of_reply): allowed for flow, allowed in flows for of_reply in (False, True)}
    assert kernel.wire.passing(errors) == {packet for packet, allowed in errors.items() if allowed}
    of_errors = kernel.counts()
    replies = {flow.reply(): allowed for flow, allowed in flows}
    assert kernel.wire.passing(replies) == {packet for packet, allowed in replies.items() if allowed}
    assert _raised(start, of_errors) == {name: 2 * count for name, count in _raised(of_errors, kernel.counts()).items()}


def _raised(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: count - before[name] for name, count in after.items() if count != before[name]}


@ON_A_KERNEL
@given(desired_states(), st.data())
def test_no_deletion_lets_an_error_through(kernel: Kernel, desired: Desired, data: st.DataObject) -> None:
    """Empties one chain, or deletes one rule, anywhere: no further packet is delivered."""
    kernel.load(replace(desired, policy=Policy(Action.ALLOW)))
    third = IPv4Address("10.100.200.200")
    unwanted = []
    for source, destination, protocol, port in cells(desired):
        if protocol != "gre":
            flow = kernel.new_flow(source, destination, protocol, port)
            kernel.wire.passes(flow.opening())
            unwanted += [flow.error(REDIRECT), flow.error(sender=third), flow.error(quoted=flow.reply())]
            if verdict(desired, source, destination, protocol, port) is Action.DENY:
                unwanted += [flow.error(), flow.error(of_reply=True)]
    kernel.load(desired)
    damage = kernel.damage(data)
    assert kernel.wire.passing(unwanted) == set(), damage


def test_errors_are_counted_by_the_rule_of_their_connection(kernel: Kernel) -> None:
    """Counts no dropped error."""
    rules = (
        rule("port", Action.ALLOW, FIRST, SECOND, Protocol.UDP, "22"),
        rule("other", Action.ALLOW, FIRST, SECOND, Protocol.UDP),
        rule("third", Action.ALLOW, THIRD, FIRST),
    )
    kernel.load(state_of((FIRST, SECOND, THIRD), Policy(Action.DENY, rules)))
    flow = kernel.new_flow(FIRST, SECOND, "udp", 22)
    kernel.wire.passes(flow.opening())
    assert kernel.wire.passes(flow.error())
    assert not kernel.wire.passes(flow.error(sender=THIRD.address))
    assert not kernel.wire.passes(flow.error(REDIRECT))
    counts = kernel.counts()
    assert {name: counts[name] for name in (UNMATCHED, *map(counter_name, ("port", "other", "third")))} == {
        UNMATCHED: 0,
        counter_name("port"): 2,
        counter_name("other"): 0,
        counter_name("third"): 0,
    }


def test_the_hub_s_own_errors_arrive(kernel: Kernel) -> None:
    """Provokes errors about a packet too long for the link, and about one whose TTL has expired."""
    flow = opened(kernel)
    datagram = flow.opening()[20:]
    exceeded = kernel.wire.answers(ip(flow.source, flow.destination, "udp", datagram, ttl=1))
    assert [_told(packet) for packet in exceeded] == [(HUB, flow.source, EXCEEDED, 0)]
    long = struct.pack("!HHHH", flow.own_port, flow.port, MTU, 0) + bytes(MTU - 8)
    too_long = kernel.wire.answers(ip(flow.source, flow.destination, "udp", long, fragment=0x4000))
    assert [_told(packet) for packet in too_long] == [(HUB, flow.source, UNREACHABLE, 4)]
    denied = replace(flow, source=flow.destination, destination=flow.source, own_port=7)
    assert kernel.wire.answers(ip(denied.source, denied.destination, "udp", denied.opening()[20:], ttl=1)) == []


def _told(packet: bytes) -> tuple[IPv4Address, IPv4Address, int, int]:
    return IPv4Address(packet[12:16]), IPv4Address(packet[16:20]), packet[20], packet[21]
