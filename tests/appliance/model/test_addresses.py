"""The overlay's address plan."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.addresses import DEFAULT_NETWORK, check_network, hub_address, next_address
from appliance.model.errors import Conflict, Invalid


def test_the_hub_is_first_and_the_first_machine_second() -> None:
    assert hub_address(DEFAULT_NETWORK) == IPv4Address("10.100.0.1")
    assert next_address(DEFAULT_NETWORK, []) == IPv4Address("10.100.0.2")


@given(st.sets(st.integers(2, 30)))
def test_the_lowest_free_address_is_next(taken: set[int]) -> None:
    network = IPv4Network("10.1.2.0/24")
    found = next_address(network, [network.network_address + number for number in taken])
    number = int(found) - int(network.network_address)
    assert number not in taken
    assert all(below in taken for below in range(2, number))


def test_a_full_range_is_a_conflict_and_broadcast_is_no_machine() -> None:
    network = IPv4Network("10.1.2.0/29")
    machines = [network.network_address + number for number in range(2, 7)]
    with pytest.raises(Conflict):
        next_address(network, machines)


@pytest.mark.parametrize("text", ["10.0.0.0/8", "172.16.4.0/22", "192.168.1.0/29", "100.64.0.0/10", " 10.100.0.0/16 "])
def test_private_ranges_are_taken(text: str) -> None:
    assert check_network(text) == IPv4Network(text.strip())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0.1/8",
        "8.8.8.0/24",
        "10.0.0.0/30",
        "10.0.0.0/7",
        "fd00::/64",
        "0.0.0.0/0",
        "10.0.0.0/8; drop",
        "127.0.0.0/8",
    ],
)
def test_other_ranges_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        check_network(text)
