"""Desired states that the hub refuses."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.hub.plane.state_checks import Distrusted, check_state, is_endpoint, usable_endpoints
from appliance.model.desired import Desired, Peer
from appliance.model.keys import new_key_pair
from appliance.model.policy import ANYONE, Action, Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.port_ranges import PortRange

KEYS = [new_key_pair().public for _ in range(4)]
PEERS = (Peer("m2", KEYS[1], IPv4Address("10.100.0.2")), Peer("m3", KEYS[2], IPv4Address("10.100.0.3")))
RULE = Rule("r2", Action.DENY, ANYONE, Selector(SelectorKind.MACHINE, "m2"), Protocol.TCP, (PortRange(22, 80),))
GOOD = Desired("bcdfghjkm2", IPv4Network("10.100.0.0/16"), 20_000, KEYS[0], b"k", b"p", PEERS, Policy(rules=(RULE,)))
OTHER = replace(GOOD, organization="bcdfghjkm3", port=20_001, hub_public_key=KEYS[3])
DOOR = 51820


def refuses(state: Desired) -> bool:
    try:
        check_state(state, {each.organization: each for each in (OTHER, GOOD)}, DOOR)
    except Distrusted:
        return True
    return False


def with_peer(**changes: object) -> Desired:
    return replace(GOOD, peers=(PEERS[0], replace(PEERS[1], **changes)))  # type: ignore[arg-type]


def with_rule(**changes: object) -> Desired:
    return replace(GOOD, policy=Policy(rules=(replace(RULE, **changes),)))  # type: ignore[arg-type]


def test_an_organization_may_keep_its_own_port_and_keys() -> None:
    assert not refuses(GOOD)
    assert not refuses(with_peer(public_key=KEYS[3]))


@pytest.mark.parametrize(
    "state",
    [
        replace(GOOD, organization=""),
        replace(GOOD, organization="../../../e"),
        replace(GOOD, organization="bcdfghjkm2\n"),
        *(replace(GOOD, port=port) for port in (-1, 0, 53, 1024, 19_999, 32_768, 51820, 2**32)),
        replace(GOOD, port=OTHER.port),
        replace(GOOD, hub_public_key=OTHER.hub_public_key),
        replace(OTHER, organization="bcdfghjkm4", port=20_002),
        replace(OTHER, organization="bcdfghjkm4", hub_public_key=KEYS[1]),
        replace(GOOD, hub_public_key=KEYS[0][:-1]),
        replace(GOOD, hub_public_key=KEYS[0] + "\nlisten_port=53"),
        replace(GOOD, sealed_private_key=bytes(2000)),
        replace(GOOD, network=IPv4Network("0.0.0.0/0")),
        replace(GOOD, network=IPv4Network("192.0.2.0/24")),
        replace(GOOD, network=IPv4Network("10.100.0.0/30")),
        with_peer(id=""),
        with_peer(id="m 3"),
        with_peer(id="m2"),
        with_peer(public_key=KEYS[1]),
        with_peer(public_key=KEYS[0]),
        with_peer(public_key="a" * 44),
        with_peer(public_key=KEYS[2] + "\nremove=true"),
        *(
            with_peer(address=IPv4Address(each))
            for each in ("10.100.0.1", "10.100.0.0", "10.100.255.255", "10.101.0.2")
        ),
        with_peer(address=PEERS[0].address),
        with_peer(groups=frozenset({""})),
        with_rule(id=""),
        with_rule(id='r" drop; include "/etc/shadow'),
        with_rule(id="r2\n"),
        with_rule(ports=(PortRange(0, 5),)),
        with_rule(ports=(PortRange(6, 5),)),
        with_rule(ports=(PortRange(1, 65536),)),
        replace(GOOD, policy=Policy(rules=(RULE, RULE))),
    ],
    ids=lambda _: "",
)
def test_an_invalid_state_is_refused(state: Desired) -> None:
    assert refuses(state)


def test_the_front_door_s_port_is_refused_for_a_link() -> None:
    with pytest.raises(Distrusted, match="port"):
        check_state(GOOD, {}, GOOD.port)


@pytest.mark.parametrize("text", ["192.0.2.1:1", "[2001:db8::1]:65535"])
def test_an_address_with_a_port_is_an_endpoint(text: str) -> None:
    assert is_endpoint(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "somewhere", "192.0.2.1", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:٣", "h.example:1"),
        *("2001:db8::1:5", "[192.0.2.1]:5", "[2001:db8::1:5", "192.0.2.1:1\nprivate_key=00", "192.0.2.1:-1"),
    ],
)
def test_other_texts_are_no_endpoints(text: str) -> None:
    assert not is_endpoint(text)


@given(st.dictionaries(st.text() | st.sampled_from(KEYS), st.text() | st.just("192.0.2.1:51820")))
def test_only_usable_endpoints_are_kept(told: dict[str, str]) -> None:
    found = usable_endpoints(told)
    assert all(key in KEYS and is_endpoint(where) for key, where in found.items())
    assert found.items() == {(key, told[key]) for key in told.keys() & set(KEYS) if is_endpoint(told[key])}
