"""The engine's fates are the kernel's: packets of many kinds through a ruleset that is loaded and read back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.hub.ruleset import Ruleset
from appliance.model.desired import Desired
from appliance.model.policy import Action, Policy
from harness.proof.atoms import Fate
from harness.proof.fields import Flow
from tests.appliance.hub.ruled import Kernel
from tests.appliance.hub.wire import EXCEEDED, PROBLEM, UNREACHABLE
from tests.appliance.hub.wire import Flow as Connection
from tests.appliance.strategies import PORTS, desired_states
from tests.harness.proof.compiled import FIRST, SECOND, reading_of
from tests.harness.proof.fates import fate
from tests.properties import sharing_fixtures

REDIRECT, QUENCH = 5, 4
THIRD = IPv4Address("10.100.200.200")
_REQUEST, _REPLY = 8, 0


def packets(connection: Connection) -> Iterator[tuple[Flow, int, bytes]]:
    """Packets of a connection that was answered, with their flows and their types of ICMP."""
    is_ping = connection.protocol == "icmp"
    yield Flow.ORIGINAL, _REQUEST, connection.opening() if is_ping else connection.going_on()
    yield Flow.REPLY, _REPLY, connection.reply()
    for kind in (UNREACHABLE, EXCEEDED, PROBLEM, REDIRECT, QUENCH):
        yield Flow.ABOUT_ORIGINAL_BY_END, kind, connection.error(kind)
        yield Flow.ABOUT_REPLY_BY_END, kind, connection.error(kind, of_reply=True)
        yield Flow.ABOUT_ORIGINAL_BY_OTHER, kind, connection.error(kind, sender=THIRD)
        yield Flow.ABOUT_REPLY_BY_OTHER, kind, connection.error(kind, sender=THIRD, of_reply=True)


@pytest.mark.long
@given(desired_states(), st.data())
@sharing_fixtures(40)
def test_packets_have_the_fate_that_was_computed(kernel: Kernel, desired: Desired, data: st.DataObject) -> None:
    source, destination = (data.draw(st.sampled_from(desired.peers)) for _ in range(2))
    if source == destination:
        return
    protocol = data.draw(st.sampled_from(["tcp", "udp", "icmp", "gre"]))
    port = data.draw(st.sampled_from(PORTS)) if protocol in ("tcp", "udp") else 0
    connection = kernel.new_flow(source, destination, protocol, port)
    kernel.load(replace(desired, policy=Policy(Action.ALLOW)))
    assert kernel.wire.passes(connection.opening())
    assert kernel.wire.passes(connection.reply())
    kernel.load(desired)
    links = reading_of(kernel)
    ruleset, routing = links.parsed()
    ends = str(source.address), str(destination.address)
    for flow, kind, packet in packets(connection):
        computed = fate(
            ruleset,
            flow,
            protocol,
            *ends,
            ports=(connection.own_port, port),
            kind=kind,
            sender=str(THIRD),
            routing=routing,
            links=links.link_indexes,
        )
        assert (computed == {Fate.FORWARDED}) is kernel.wire.passes(packet), (flow, kind)


@pytest.mark.long
@given(desired_states(), st.data())
@sharing_fixtures(40)
def test_new_connections_have_the_fate_that_was_computed(kernel: Kernel, desired: Desired, data: st.DataObject) -> None:
    source, destination = (data.draw(st.sampled_from(desired.peers)) for _ in range(2))
    protocol = data.draw(st.sampled_from(["tcp", "udp", "icmp", "gre"]))
    port = data.draw(st.sampled_from(PORTS)) if protocol in ("tcp", "udp") else 0
    kernel.load(desired)
    links = reading_of(kernel)
    ruleset, routing = links.parsed()
    connection = kernel.new_flow(source, destination, protocol, port)
    computed = fate(
        ruleset,
        Flow.NEW,
        protocol,
        str(source.address),
        str(destination.address),
        ports=(connection.own_port, port),
        routing=routing,
        links=links.link_indexes,
    )
    # Beyond a pace it would be dropped.
    assert (Fate.FORWARDED in computed) is kernel.wire.passes(connection.opening())


_LATE = """flush ruleset
table inet t {
    chain late {
        type filter hook prerouting priority mangle; policy drop;
        ip daddr 10.100.0.1 meta mark set 0x1 accept
        notrack
        ct state untracked meta mark set 0x1 accept
        ct state new icmp type echo-request meta mark set 0x1 accept
    }
}
"""


def test_late_notrack_marks_what_has_no_connection(kernel: Kernel) -> None:
    """An answer to a ping that nobody sent has no connection; a ping of its own gets one."""
    kernel.wire.forget_connections()
    kernel.rulesets.load(kernel.wire.names.namespace, _LATE)
    kernel.loaded = Ruleset()
    read = reading_of(kernel)
    ruleset, routing = read.parsed()
    ping = kernel.new_flow(FIRST, SECOND, "icmp", 0)
    ends = str(FIRST.address), str(SECOND.address)
    for flow, kind, packet in (
        (Flow.UNTRACKED_LATE, _REPLY, ping.reply()),
        (Flow.NEW, _REQUEST, ping.opening()),
        (Flow.REPLY, _REPLY, ping.reply()),
    ):
        computed = fate(ruleset, flow, "icmp", *ends, kind=kind, routing=routing, links=read.link_indexes)
        assert (computed == {Fate.FORWARDED}) is kernel.wire.passes(packet), flow
        assert (computed == {Fate.FORWARDED}) is (flow is not Flow.REPLY)
