"""Random organizations and policies."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hypothesis import strategies as st

from appliance.model.desired import Desired, Peer
from appliance.model.policy import Action, Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.port_ranges import PortRange, merge_ports

GROUPS = ("red", "green", "blue")
PORTS = (1, 22, 80, 443, 8000, 65535)


@st.composite
def peers(draw: st.DrawFn) -> tuple[Peer, ...]:
    count = draw(st.integers(1, 5))
    return tuple(
        Peer(
            id=f"m{number}",
            public_key=f"key{number}",
            address=IPv4Address("10.100.0.2") + number,
            groups=frozenset(draw(st.sets(st.sampled_from(GROUPS)))),
        )
        for number in range(count)
    )


def selectors(known: tuple[Peer, ...]) -> st.SearchStrategy[Selector]:
    return st.one_of(
        st.just(Selector(SelectorKind.ANY)),
        st.sampled_from([Selector(SelectorKind.MACHINE, peer.id) for peer in known]),
        st.sampled_from([Selector(SelectorKind.GROUP, group) for group in GROUPS]),
    )


@st.composite
def port_ranges(draw: st.DrawFn) -> tuple[PortRange, ...]:
    ends = draw(st.lists(st.tuples(st.sampled_from(PORTS), st.sampled_from(PORTS)), min_size=1, max_size=3))
    return merge_ports(PortRange(min(pair), max(pair)) for pair in ends)


@st.composite
def rules(draw: st.DrawFn, known: tuple[Peer, ...], name: str = "r") -> Rule:
    protocol = draw(st.sampled_from(Protocol))
    return Rule(
        id=name,
        action=draw(st.sampled_from(Action)),
        source=draw(selectors(known)),
        destination=draw(selectors(known)),
        protocol=protocol,
        ports=draw(st.one_of(st.just(()), port_ranges())) if protocol.has_ports else (),
    )


@st.composite
def desired_states(draw: st.DrawFn) -> Desired:
    known = draw(peers())
    count = draw(st.integers(0, 6))
    return Desired(
        organization="bbbbbbbbbb",
        network=IPv4Network("10.100.0.0/16"),
        port=51820,
        hub_public_key="hub",
        sealed_data_key=b"",
        sealed_private_key=b"",
        peers=known,
        policy=Policy(draw(st.sampled_from(Action)), tuple(draw(rules(known, f"r{n}")) for n in range(count))),
    )
