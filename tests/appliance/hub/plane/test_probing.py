"""Measured rules: the kernel's verdicts on packets in a copy equal the model's, and the original notices nothing."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given

from appliance.hub.errors import Crowded, HubError, LinkError, NamespaceError, RulesTooLarge
from appliance.hub.kernel import namespace
from appliance.hub.kernel.descriptors import FIRST_HIGH
from appliance.hub.names import KernelNames, Names
from appliance.hub.plane import probing
from appliance.hub.plane.measurements import Measurements
from appliance.model.desired import Desired
from appliance.model.policy import Action, Policy, Protocol
from appliance.model.probes import MOST_PROBES, Probe, ProbeKind
from appliance.model.verdict import ConnectionEnd, decide
from tests.appliance.hub.ruled import Kernel, members, rule, state_of
from tests.appliance.strategies import PORTS, desired_states
from tests.properties import sharing_fixtures


def probes_of(desired: Desired) -> list[Probe]:
    """Lists probes of every kind between all machines, in both directions."""
    return [
        Probe(source.id, destination.id, kind, port)
        for source in desired.peers
        for destination in desired.peers
        if source is not destination
        for kind in ProbeKind
        for port in (PORTS if kind in (ProbeKind.TCP, ProbeKind.UDP) else (0,))
    ]


def measured(kernel: Kernel, desired: Desired, probes: Sequence[Probe], **limits: int) -> list[bool]:
    addresses = {peer.id: peer.address for peer in desired.peers}
    return probing.forwarded(kernel.wire.names, desired.network, addresses, probes, **limits)


def expected(desired: Desired, probes: Sequence[Probe]) -> list[bool]:
    ends = {peer.id: ConnectionEnd(peer.id, peer.groups) for peer in desired.peers}
    return [
        decide(desired.policy, ends[each.source], ends[each.destination], each.protocol, each.port or None).action
        is Action.ALLOW
        for each in probes
    ]


@sharing_fixtures(15)
@given(desired_states())
def test_probes_get_the_model_s_verdict(kernel: Kernel, desired: Desired) -> None:
    kernel.load(desired)
    probes = probes_of(desired)[:MOST_PROBES]
    assert measured(kernel, desired, probes) == expected(desired, probes)


def open_mesh(count: int) -> Desired:
    return state_of(members(count), Policy(Action.ALLOW))


def test_the_original_notices_nothing(kernel: Kernel) -> None:
    desired = open_mesh(3)
    kernel.load(desired)
    kernel.wire.drain()
    probes = probes_of(desired)
    before = list(namespace.names())
    assert set(measured(kernel, desired, probes)) == {True}
    assert kernel.tracked() == 0
    assert set(kernel.counts().values()) == {0}
    assert list(namespace.names()) == before
    # The next packet that reaches a machine is one of its own organization's.
    first, second, _ = desired.peers
    flow = kernel.new_flow(first, second, "udp", 53)
    kernel.wire.send(flow.opening())
    assert kernel.wire.next()[12:] == flow.opening()[12:]


def test_damaged_rules_are_measured_as_they_are(kernel: Kernel) -> None:
    first, second = members(2)
    desired = state_of(
        (first, second), Policy(Action.ALLOW, (rule("a", Action.DENY, first, second, Protocol.TCP, "22"),))
    )
    kernel.load(desired)
    probes = [Probe(first.id, second.id, ProbeKind.TCP, port) for port in (22, 80)]
    assert measured(kernel, desired, probes) == [False, True]
    kernel.rulesets.load(kernel.wire.names.namespace, "flush chain inet mesh default")
    assert measured(kernel, desired, probes) == [False, False]


@pytest.mark.parametrize(
    "change",
    [
        "add table inet other; add chain inet other f { type filter hook forward priority 10; policy drop; }",
        "add table ip other; add chain ip other f { type filter hook forward priority -200; policy drop; }",
        "add chain inet mesh other { type filter hook forward priority 5; policy drop; }",
    ],
)
def test_tables_that_others_made_are_measured_too(kernel: Kernel, change: str) -> None:
    desired = open_mesh(2)
    kernel.load(desired)
    kernel.rulesets.load(kernel.wire.names.namespace, change)
    assert set(measured(kernel, desired, probes_of(desired))) == {False}


def test_a_table_that_sleeps_is_no_table(kernel: Kernel) -> None:
    desired = open_mesh(2)
    kernel.load(desired)
    kernel.rulesets.load(kernel.wire.names.namespace, "add table inet mesh { flags dormant; }")
    kernel.wire.drain()
    first, second = desired.peers
    kernel.wire.send(kernel.new_flow(first, second, "udp", 53).opening())
    with pytest.raises(TimeoutError):
        kernel.wire.next()
    with pytest.raises(HubError, match="did not answer"):
        measured(kernel, desired, probes_of(desired)[:1])


def test_as_many_probes_as_may_be_sent_are_all_forwarded(kernel: Kernel) -> None:
    desired = open_mesh(2)
    kernel.load(desired)
    first, second = desired.peers
    probes = [Probe(first.id, second.id, ProbeKind.TCP, 1 + number) for number in range(MOST_PROBES)]
    assert set(measured(kernel, desired, probes)) == {True}


def test_a_hub_with_many_open_files_can_measure(kernel: Kernel) -> None:
    desired = open_mesh(2)
    kernel.load(desired)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * FIRST_HIGH), max(hard, 2 * FIRST_HIGH)))
        while stack.enter_context(Path(os.devnull).open("rb")).fileno() < FIRST_HIGH:
            pass
        assert set(measured(kernel, desired, probes_of(desired))) == {True}


def test_a_copy_that_answers_nothing_is_no_denial(kernel: Kernel) -> None:
    desired = open_mesh(2)
    kernel.load(desired)
    kernel.rulesets.load(kernel.wire.names.namespace, "flush chain inet mesh hub")
    with pytest.raises(HubError, match="did not answer"):
        measured(kernel, desired, probes_of(desired)[:1])


def test_large_rules_are_refused(kernel: Kernel) -> None:
    desired = open_mesh(2)
    kernel.load(desired)
    with pytest.raises(RulesTooLarge):
        measured(kernel, desired, probes_of(desired), most_bytes=1000)


def test_an_organization_without_a_namespace_can_t_be_measured() -> None:
    with pytest.raises(NamespaceError):
        probing.forwarded(KernelNames("mwabcnowhere00", "mwabcnowhere00"), IPv4Network("10.100.0.0/16"), {}, [])


MACHINES = members(2)
PROBE = Probe(MACHINES[0].id, MACHINES[1].id, ProbeKind.ICMP)


def state(organization: str) -> Desired | None:
    return None if organization == "gone" else replace(open_mesh(2), organization=organization)


def forward(
    names: KernelNames, network: IPv4Network, addresses: Mapping[str, IPv4Address], probes: Sequence[Probe]
) -> list[bool]:
    assert names.link.startswith("mw")
    assert network.prefixlen == 16
    assert [addresses[each.id] for each in MACHINES] == [each.address for each in MACHINES]
    return [each.destination == MACHINES[1].id for each in probes]


def test_one_measurement_of_an_organization_runs_at_a_time() -> None:
    inner: list[str] = []

    def nested(*_: object) -> list[bool]:
        for organization in "abc":
            try:
                made.measure(organization, [PROBE])
            except Crowded as refusal:
                inner.append(str(refusal))
        return [True]

    made = Measurements(Names("abc"), state, nested, patience_s=0.0)
    assert made.measure("a", [PROBE]) == [True]
    assert "A measurement of your organization is running. Try again in 5 seconds." in inner
    assert "A measurement of others is running. Try again in 5 seconds." in inner
    # Of the three that are asked for inside, one finds a place, and its own three don't.
    assert made.figures() == {"made": 3, "failed": 0, "refused": len(inner)}


def test_a_failed_measurement_makes_room() -> None:
    def fail(*_: object) -> list[bool]:
        raise LinkError("no link")

    made = Measurements(Names("abc"), state, fail)
    for _ in range(3):
        with pytest.raises(LinkError):
            made.measure("a", [PROBE])
    assert made.figures() == {"made": 0, "failed": 3, "refused": 0}


@pytest.mark.parametrize(
    ("organization", "probe"),
    [("gone", PROBE), ("a", replace(PROBE, source="other")), ("a", replace(PROBE, destination=""))],
)
def test_only_machines_of_the_organization_are_measured(organization: str, probe: Probe) -> None:
    with pytest.raises(HubError, match="no such machines"):
        Measurements(Names("abc"), state, forward).measure(organization, [probe])


@pytest.mark.parametrize("port", [-1, 65536, 2**40])
def test_probes_have_ports_of_packets(port: int) -> None:
    made = Measurements(Names("abc"), state, forward)
    with pytest.raises(HubError, match="no port"):
        made.measure("a", [PROBE, replace(PROBE, kind=ProbeKind.TCP, port=port)])
    assert made.figures()["failed"] == 0


def test_answers_are_in_the_order_of_the_probes() -> None:
    back = Probe(PROBE.destination, PROBE.source, ProbeKind.ICMP)
    assert Measurements(Names("abc"), state, forward).measure("a", [PROBE, back, PROBE]) == [True, False, True]
