"""Desired states are bounded together, and a full memory keeps no small network from growing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from appliance.hub.errors import Crowded
from appliance.hub.plane.wanted_states import WantedStates
from appliance.model import ports
from appliance.model.desired import Desired, Peer

_EMPTY = Desired("small", IPv4Network("10.100.0.0/16"), 20_000, "k", b"", b"")
_FIRST = IPv4Address("10.100.0.2")


def _state(organization: str, machines: int) -> Desired:
    peers = tuple(Peer(f"m{number}", "k", _FIRST + number) for number in range(machines))
    return replace(_EMPTY, organization=organization, peers=peers)


def _bytes(machines: int) -> int:
    return _state("", machines).estimated_bytes


def test_the_sum_follows_what_comes_and_goes() -> None:
    states = WantedStates()
    for state in (_state("a", 3), _state("b", 2), _state("a", 1)):
        states.keep(state)
    assert states.bytes == _bytes(3)
    assert states.all() == {"a": _state("a", 1), "b": _state("b", 2)}
    states.drop("a")
    states.drop("a")
    assert (states.bytes, states.names(), "a" in states) == (_bytes(2), ("b",), False)


def test_only_the_large_are_refused_when_memory_is_full() -> None:
    states = WantedStates(most_bytes=_bytes(20))
    states.keep(_state("large", 12))
    states.keep(_state("small", 1))
    for grown in (_state("large", 13), _state("another", 4), _state("small", 5)):
        with pytest.raises(Crowded, match="memory"):
            states.check(grown)
    assert states.refused == 3
    for fine in (_state("large", 12), _state("large", 5), _state("small", 4), _state("another", 3)):
        states.check(fine)
    assert states.refused == 3


def test_all_together_stay_below_twice_the_bound() -> None:
    """Has organizations grow as far as they may, one after the other; then a small network grows too."""
    states = WantedStates(most_bytes=2 * ports.COUNT * _bytes(1))
    for number in range(100):
        for machines in (4000, 1000, 250):
            state = _state(f"o{number}", machines)
            with suppress(Crowded):
                states.check(state)
                states.keep(state)
                break
    assert states.bytes > 0.9 * states.most_bytes
    small = _state("small", 2)
    states.check(small)
    states.keep(small)
    assert states.bytes < 2 * states.most_bytes
    with pytest.raises(Crowded):
        states.check(_state("small", 2000))
