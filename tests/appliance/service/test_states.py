"""The cache of desired states within its memory, also where organizations are as large as they can be."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from appliance.hub.rpc import codec
from appliance.model.desired import Desired, Peer
from appliance.model.policy import Action, Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.port_ranges import PortRange
from appliance.service.states import MOST_BYTES, States

EMPTY = Desired("acme", IPv4Network("10.100.0.0/16"), 20_000, "k" * 44, b"data", b"private")


def peers(count: int, groups: int, longest: int = 55, filler: str = " ") -> tuple[Peer, ...]:
    first = IPv4Address("10.100.0.2")
    return tuple(
        Peer(
            f"m{at:019}",
            f"{at:043}=",
            first + at,
            frozenset(f"{at} {group:{filler}>{longest}}" for group in range(groups)),
        )
        for at in range(count)
    )


def rules(count: int, ports: int, description: int, filler: str = "0") -> tuple[Rule, ...]:
    ends = [Selector(SelectorKind.MACHINE, f"m{at:019}") for at in range(2)]
    ranges = tuple(PortRange(2 * port + 1, 2 * port + 1) for port in range(ports))
    return tuple(
        Rule(
            f"r{at:019}",
            Action.DENY,
            ends[0],
            ends[1],
            Protocol.TCP,
            ranges,
            f"{at:{filler}>{description}}" * (description > 0),
        )
        for at in range(count)
    )


def measured(make: Callable[[], Desired]) -> tuple[int, Desired]:
    """Measures the memory of a state that came over the hub's socket, where no two parts share a text."""
    data = codec.encode(make())
    gc.collect()
    tracemalloc.start()
    try:
        state = codec.decode(data, Desired)
        gc.collect()
        return tracemalloc.get_traced_memory()[0], state
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "make",
    [
        lambda: replace(EMPTY, peers=peers(2000, 0)),
        lambda: replace(EMPTY, peers=peers(500, 32)),
        lambda: replace(EMPTY, policy=Policy(Action.ALLOW, rules(2000, 0, 0))),
        lambda: replace(EMPTY, policy=Policy(Action.ALLOW, rules(2000, 0, 400))),
        lambda: replace(EMPTY, policy=Policy(Action.ALLOW, rules(2000, 0, 500, "\N{HERB}"))),
        lambda: replace(EMPTY, peers=peers(500, 7, 250, "\N{HERB}")),
        lambda: replace(EMPTY, policy=Policy(Action.ALLOW, rules(200, 50, 0))),
    ],
    ids=["machines", "groups", "rules", "descriptions", "wide descriptions", "wide groups", "ports"],
)
def test_a_state_takes_about_the_memory_it_is_said_to(make: Callable[[], Desired]) -> None:
    taken, state = measured(make)
    assert taken / 2 < state.estimated_bytes < 2 * taken


def test_the_size_of_a_policy_is_kept_from_change_to_change() -> None:
    first = Policy(Action.ALLOW, rules(30, 1, 5))
    later = first.changed({first.rules[0].id}, [replace(first.rules[1], id="new", description="a longer one")])
    assert later.__dict__["estimated_bytes"] == Policy(Action.ALLOW, later.rules).estimated_bytes


def test_hostile_organizations_do_not_take_all_memory() -> None:
    """Keeps a small organization's state, and then hundreds as large as a free plan's can be."""
    states = States()
    small = replace(EMPTY, organization="small", peers=peers(2, 1))
    large = replace(EMPTY, policy=Policy(Action.ALLOW, rules(4000, 0, 500)))
    states.keep(7, small)
    for number in range(400):
        states.keep(1, replace(large, organization=f"hostile{number}"))
    assert MOST_BYTES - large.estimated_bytes < states.bytes <= MOST_BYTES
    assert states.get("small", 7) is small
    assert states.get("hostile399", 1) is not None


def test_the_largest_organization_s_state_is_kept() -> None:
    states = States()
    largest = replace(EMPTY, peers=peers(10_000, 32), policy=Policy(Action.ALLOW, rules(20_000, 0, 300)))
    states.keep(1, largest)
    assert states.get("acme", 1) is largest
    assert states.get("acme", 2) is None
    states.forget("acme")
    assert states.get("acme", 1) is None
