"""The data plane against a real kernel: what is applied is there, what is removed is gone, what fails is undone."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import HealthCheck, given, settings

from appliance.hub import namespace
from appliance.hub.errors import HubError, RulesetError
from appliance.hub.names import Names
from appliance.hub.nft import Rulesets
from appliance.hub.plane import DataPlane
from appliance.hub.ruleset import foundation, verdicts
from appliance.hub.wireguard import Backend
from appliance.model.desired import Desired, Peer
from appliance.model.keys import new_key_pair
from appliance.model.policy import ANYONE, Action, Policy, Protocol, Rule, parse_ports
from tests.appliance.strategies import desired_states

DENY_ALL = Rule("x", Action.DENY, ANYONE, ANYONE)


def peer(number: int) -> Peer:
    return Peer(f"m{number}", new_key_pair().public, IPv4Address("10.100.0.2") + number)


def in_force(names: Names, backend: Backend, desired: Desired) -> tuple[set[str], str]:
    """The peers that the link has, and the rules as the kernel lists them."""
    places = names.places(desired.organization)
    rules = Rulesets()
    listing = rules.listing(places.namespace)
    rules.forget(places.namespace)
    return set(backend.allowed(places)), listing


def test_what_is_applied_is_there_and_what_is_removed_is_gone(
    plane: DataPlane, names: Names, backend: Backend, desired: Desired
) -> None:
    machines = (peer(0), peer(1))
    plane.apply(replace(desired, peers=machines))
    peers, listing = in_force(names, backend, desired)
    assert peers == {machine.public_key for machine in machines}
    assert "policy drop" in listing
    assert plane.present() == (desired.organization,)
    plane.remove(desired.organization)
    assert plane.present() == ()
    assert plane.census() == ()
    assert names.places(desired.organization).namespace not in set(namespace.names())
    plane.remove(desired.organization)


def test_peers_come_and_go_one_by_one(plane: DataPlane, names: Names, backend: Backend, desired: Desired) -> None:
    one, two, three = peer(0), peer(1), peer(2)
    moved = replace(two, address=three.address)
    for machines in ((one,), (one, two), (one, two, three), (two,), (moved,), ()):
        plane.apply(replace(desired, peers=machines))
        allowed = backend.allowed(names.places(desired.organization))
        assert allowed == {machine.public_key: (f"{machine.address}/32",) for machine in machines}


def test_a_refused_ruleset_leaves_the_one_before(
    plane: DataPlane, names: Names, backend: Backend, desired: Desired, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = replace(desired, peers=(peer(0),))
    plane.apply(old)
    before = in_force(names, backend, desired)
    good = verdicts
    monkeypatch.setattr(
        "appliance.hub.ruleset.verdicts",
        lambda state: good(state) + ("add rule inet mesh nowhere accept\n" if state.policy.rules else ""),
    )
    with pytest.raises(RulesetError):
        plane.apply(replace(old, peers=(*old.peers, peer(1)), policy=Policy(Action.ALLOW, (DENY_ALL,))))
    assert in_force(names, backend, desired) == before
    assert plane.organizations() == (desired.organization,)


def test_what_can_t_be_built_leaves_nothing(plane: DataPlane, desired: Desired) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("", desired.port))
        with pytest.raises(HubError):
            plane.apply(desired)
    assert plane.census() == ()
    assert plane.organizations() == ()
    plane.apply(desired)


def test_a_new_process_adopts_what_the_old_one_left(
    plane: DataPlane, make_plane: Callable[..., DataPlane], names: Names, backend: Backend, desired: Desired
) -> None:
    state = replace(desired, peers=(peer(0), peer(1)), policy=Policy(Action.DENY))
    plane.apply(state)
    (before,) = plane.census()
    successor = make_plane()
    changed = replace(state, peers=(state.peers[0], peer(3)))
    successor.apply(changed)
    (after,) = successor.census()
    assert after == before
    assert in_force(names, backend, desired)[0] == {each.public_key for each in changed.peers}


def test_a_damaged_place_is_built_anew(
    plane: DataPlane, make_plane: Callable[..., DataPlane], names: Names, backend: Backend, desired: Desired
) -> None:
    state = replace(desired, peers=(peer(0),))
    plane.apply(state)
    backend.remove(names.places(desired.organization))
    successor = make_plane()
    successor.apply(state)
    (footprint,) = successor.census()
    assert (footprint.links, footprint.port) == ((names.places(desired.organization).link,), desired.port)
    assert in_force(names, backend, desired)[0] == {state.peers[0].public_key}


def test_two_instances_share_a_host(make_plane: Callable[..., DataPlane], desired: Desired) -> None:
    planes = [make_plane(name) for name in ("aaa", "bbb")]
    for number, plane in enumerate(planes):
        plane.apply(replace(desired, port=desired.port + number))
    planes[0].remove(desired.organization)
    assert [len(plane.census()) for plane in planes] == [0, 1]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(desired_states())
def test_the_kernel_takes_every_policy(bare_namespace: str, desired: Desired) -> None:
    rulesets = Rulesets()
    rulesets.load(bare_namespace, foundation(desired, "mwabcbbbbbbbbbb") + verdicts(desired))
    rulesets.load(bare_namespace, verdicts(desired))


@pytest.fixture
def bare_namespace(backend: Backend) -> Iterator[str]:
    """A namespace with nothing in it."""
    del backend
    namespace.create("mwtest")
    yield "mwtest"
    namespace.remove("mwtest")


def test_no_rule_can_be_emptied_from_outside(plane: DataPlane, names: Names, desired: Desired) -> None:
    """Sets are bound to their rule: they can't be flushed, and a flushed chain or table denies."""
    denied = Rule("x", Action.DENY, ANYONE, ANYONE, Protocol.TCP, parse_ports("22"))
    plane.apply(replace(desired, peers=(peer(0),), policy=Policy(Action.ALLOW, (denied,))))
    place = names.places(desired.organization).namespace
    rulesets = Rulesets()
    for text in ("flush set inet mesh __set0", "delete set inet mesh __set0"):
        with pytest.raises(RulesetError):
            rulesets.load(place, text)
    rulesets.load(place, "flush chain inet mesh clear")
    listing = rulesets.listing(place)
    assert "policy drop" in listing
    assert listing.count("mark set 0x00000001 accept") == 1  # the hub's own ping, in the gate
