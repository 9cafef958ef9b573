"""The policy's regions agree with the harness's reference model of single cells."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.desired import Desired
from harness.overlay.machine import Machine as Client
from harness.overlay.truth import CellKey, PortProtocol, is_allowed
from harness.proof.errors import Unmodelled
from harness.proof.policy import Policy
from harness.proof.regions import Expected, Verdicts
from harness.proof.universe import Universe
from tests.appliance.strategies import PORTS, desired_states
from tests.harness.proof.compiled import policy_of

_NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1}


def expected(policy: Policy, protocol: int, source: int, destination: int, port: int) -> Expected:
    """The one verdict on a connection."""
    addresses = Universe([(0, 2**32 - 1)], [*policy.cuts_of_addresses(), (source, source), (destination, destination)])
    ports = Universe([(0, 65535)], [*policy.cuts_of_ports(), (port, port)])
    verdicts = Verdicts(policy, addresses, ports)
    a, b = (addresses.atoms_in([(each, each)]) for each in (source, destination))
    found = [
        verdict
        for verdict in Expected
        for _ in verdicts.meeting(verdict, 1 << protocol, a, b, ports.atoms_in([(port, port)]))
    ]
    assert len(found) == 1
    return found[0]


@given(desired_states(), st.data())
def test_regions_agree_with_the_reference_model(desired: Desired, data: st.DataObject) -> None:
    policy = policy_of(desired)
    source, destination = (data.draw(st.sampled_from(desired.peers)) for _ in range(2))
    name = data.draw(st.sampled_from(["tcp", "udp", "icmp"]))
    near = sorted({port + step for port in PORTS for step in (-1, 0, 1)} - {65536})
    port = data.draw(st.sampled_from(near)) if name != "icmp" else 0
    cell = CellKey(_client(source), _client(destination), PortProtocol(name, None if name == "icmp" else port))
    allowed = is_allowed(cell, policy.default, map(dict, policy.rules))
    got = expected(policy, _NUMBERS[name], int(source.address), int(destination.address), port)
    assert got is (Expected.PASS if allowed else Expected.DROP)


@pytest.mark.parametrize(
    ("default", "part"),
    [
        ("maybe", {}),
        ("deny", {"action": "log"}),
        ("deny", {"protocol": "sctp"}),
        ("deny", {"source": "resource:printers"}),
        ("deny", {"destination": "subnet:10.0.0.0/8"}),
    ],
)
def test_a_policy_with_a_part_of_unknown_meaning_is_refused(default: str, part: dict[str, str]) -> None:
    """A resource is no group, though it may have a group's name."""
    rule = {"action": "allow", "source": "any", "destination": "group:printers", **part}
    with pytest.raises(Unmodelled, match="policy"):
        Policy(IPv4Network("10.100.0.0/16"), (), default, [rule])


@given(desired_states())
def test_addresses_of_no_machine(desired: Desired) -> None:
    """Nothing leaves the network, and nothing of an unknown address can come or arrive."""
    policy = policy_of(desired)
    machine, hub = int(desired.peers[0].address), int(policy.hub)
    nobody, outside = int(policy.network[-2]), int(policy.network[0]) - 1
    for protocol in (6, 47):
        for other in (hub, outside):
            for ends in ((machine, other), (other, machine), (nobody, other)):
                assert expected(policy, protocol, *ends, 22) is Expected.DROP
        assert expected(policy, protocol, machine, nobody, 22) is Expected.EITHER
        assert expected(policy, protocol, nobody, machine, 22) is Expected.EITHER


def _client(peer: Any) -> Client:
    nothing = cast(Any, None)
    address = str(peer.address)
    return Client(peer.id, peer.id, address, tuple(peer.groups), "", "10.100.0.1", *[nothing] * 3)
