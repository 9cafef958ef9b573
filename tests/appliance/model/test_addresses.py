"""Tests of the overlay network's address plan."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.addresses import DEFAULT_NETWORK, check_network, home_network_warning, hub_address, next_address
from appliance.model.errors import Invalid


def test_the_hub_gets_the_first_address_machines_the_next() -> None:
    assert hub_address(DEFAULT_NETWORK) == IPv4Address("10.100.0.1")
    assert next_address(DEFAULT_NETWORK, []) == IPv4Address("10.100.0.2")


@given(st.sets(st.integers(2, 30)), st.data())
def test_the_lowest_free_address_is_next(taken: set[int], data: st.DataObject) -> None:
    network = IPv4Network("10.1.2.0/24")
    one = {number for number in taken if data.draw(st.booleans())}
    lists = [sorted(network[number] for number in each) for each in (one, taken - one)]
    found = next_address(network, *lists)
    assert found is not None
    number = int(found) - int(network.network_address)
    assert number not in taken
    assert all(below in taken for below in range(2, number))


@given(st.integers(24, 28), st.integers(0, 2**16 - 1))
def test_a_range_is_full_after_its_last_address(prefix: int, place: int) -> None:
    network = IPv4Network((int(IPv4Address("10.0.0.0")) + (place << (32 - prefix)), prefix))
    given_out: list[IPv4Address] = []
    while (found := next_address(network, given_out)) is not None:
        given_out.append(found)
    assert len(given_out) == len(set(given_out)) == network.num_addresses - 3
    reserved = {network.network_address, hub_address(network), network.broadcast_address}
    assert set(network) - set(given_out) == reserved


def test_next_address_in_a_large_range_takes_few_comparisons() -> None:
    class Counted(Sequence[IPv4Address]):
        """The first 50,000 machine addresses of a /8, counting the reads."""

        reads = 0

        def __len__(self) -> int:
            return 50_000

        def __getitem__(self, index: Any) -> Any:
            self.reads += 1
            return IPv4Address("10.0.0.2") + index

    taken = Counted()
    assert next_address(IPv4Network("10.0.0.0/8"), taken) == IPv4Address("10.0.0.2") + 50_000
    assert taken.reads < 1000


@pytest.mark.parametrize("text", ["10.0.0.0/8", "172.16.4.0/22", "192.168.1.0/28", "100.64.0.0/10", "10.100.0.0/16"])
def test_private_ranges_are_accepted(text: str) -> None:
    assert check_network(text) == IPv4Network(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0.1/8",
        "8.8.8.0/24",
        "10.0.0.0/29",
        "100.128.0.0/10",
        "172.32.0.0/16",
        "10.0.0.0/7",
        "fd00::/64",
        "0.0.0.0/0",
        "10.0.0.0/8; drop",
        "127.0.0.0/8",
        "10.0.0.0",
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/0.255.255.255",
        "10.0.0.0/08",
        "10.0.0.0/+8",
        "10.0.0.0/8\n",
        " 10.0.0.0/8",
        "10.0.0.0/8 ",
        "10.0.0.0 /8",
        "10.0.0.0/8\0",
        "10.0.0.0/\u0668",
        "\uff110.0.0.0/8",
        "010.0.0.0/8",
        "10.0.0/8",
    ],
)
def test_other_ranges_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        check_network(text)


ALMOST = st.one_of(
    st.text(),
    st.text("0123456789./ \n٨", max_size=20),
    st.builds(
        "{}{}{}/{}{}".format,
        st.sampled_from(["", " ", "\n", "0", "+"]),
        st.sampled_from(["10.0.0.0", "192.168.1.0", "10.0.0.1", "8.8.8.0", "10.0.0", "::"]),
        st.sampled_from(["", " "]),
        st.one_of(st.integers(-1, 40).map(str), st.sampled_from(["08", "255.0.0.0", "0.255.255.255", "٨", "0x8"])),
        st.sampled_from(["", " ", "\n", "\0", "/8"]),
    ),
)


@given(ALMOST)
def test_an_accepted_range_is_shown_as_it_was_written(text: str) -> None:
    with suppress(Invalid):
        assert str(check_network(text)) == text


@pytest.mark.parametrize(
    "text", ["192.168.0.0/24", "192.168.1.0/24", "192.168.1.128/25", "192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12"]
)
def test_a_range_common_in_home_networks_gives_a_warning(text: str) -> None:
    warning = home_network_warning(check_network(text))
    assert warning is not None
    assert str(DEFAULT_NETWORK) in warning


@pytest.mark.parametrize("text", [str(DEFAULT_NETWORK), "192.168.7.0/28", "100.64.0.0/10", "10.100.0.0/24"])
def test_other_ranges_give_no_warning(text: str) -> None:
    assert home_network_warning(check_network(text)) is None
