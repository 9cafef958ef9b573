"""Bounds of connections that have proven nothing yet."""

from __future__ import annotations

import pytest

from appliance.cluster.tls_handshakes import (
    ADDRESSES_OF_HOST,
    OF_HOST,
    OF_HOSTS,
    OF_ONE,
    OF_STRANGERS,
    PAUSE_S,
    TlsHandshakes,
)

HOST = "192.0.2.1"


class Clock:
    """Monotonic time that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def ended(handshakes: TlsHandshakes, clock: Clock, sender: str, host: str | None) -> None:
    """Ends a handshake, and waits until its place is free."""
    handshakes.end(sender, host)
    clock.now += PAUSE_S


def strangers(handshakes: TlsHandshakes) -> int:
    """Begins handshakes from ever new addresses until there is no place; returns their number."""
    number = 0
    while handshakes.begin(f"198.51.100.{number}"):
        number += 1
    return number


def test_an_address_has_so_many_places_and_no_more() -> None:
    clock = Clock()
    handshakes = TlsHandshakes(clock)
    assert [handshakes.begin(HOST) for _ in range(OF_ONE + 1)] == [True] * OF_ONE + [False]
    assert handshakes.begin("192.0.2.2")
    ended(handshakes, clock, HOST, None)
    assert [handshakes.begin(HOST) for _ in range(2)] == [True, False]


@pytest.mark.parametrize("host", [None, "hub1"])
def test_places_are_a_pace_too(host: str | None) -> None:
    """Connects and leaves as fast as it gets, with a certificate and without one."""
    clock = Clock()
    handshakes = TlsHandshakes(clock)
    begun = 0
    for _ in range(1000):
        if handshakes.begin(HOST):
            handshakes.end(HOST, host)
            begun += 1
        clock.now += PAUSE_S / 100
    assert begun == 10 * OF_ONE


def test_strangers_leave_room_for_addresses_of_hosts() -> None:
    clock = Clock()
    handshakes = TlsHandshakes(clock)
    assert handshakes.begin(HOST)
    ended(handshakes, clock, HOST, "hub1")
    assert strangers(handshakes) == OF_STRANGERS
    assert [handshakes.begin(HOST) for _ in range(OF_ONE + 1)] == [True] * OF_ONE + [False]
    # A host's handshakes take none of the strangers' places.
    ended(handshakes, clock, "198.51.100.7", None)
    assert [handshakes.begin("203.0.113.1") for _ in range(2)] == [True, False]


def test_addresses_of_hosts_have_so_many_places_together() -> None:
    clock = Clock()
    handshakes = TlsHandshakes(clock)
    hosts = [f"192.0.2.{number}" for number in range(OF_HOSTS // OF_ONE + 1)]
    for each in hosts:
        assert handshakes.begin(each)
        ended(handshakes, clock, each, each)
    assert [handshakes.begin(each) for each in hosts for _ in range(OF_ONE)].count(True) == OF_HOSTS
    assert handshakes.begin("198.51.100.1")
    ended(handshakes, clock, hosts[0], hosts[0])
    assert [handshakes.begin(hosts[-1]) for _ in range(2)] == [True, False]


def test_one_host_s_addresses_take_no_place_of_others() -> None:
    """Calls with a stolen certificate from ever new addresses, and leaves handshakes open there."""
    clock = Clock()
    handshakes = TlsHandshakes(clock)
    assert handshakes.begin(HOST)
    ended(handshakes, clock, HOST, "hub1")
    stolen = [f"198.51.{number // 250}.{number % 250}" for number in range(2000)]
    for each in stolen:
        assert handshakes.begin(each)
        ended(handshakes, clock, each, "hub2")
    taken = [each for each in stolen[-ADDRESSES_OF_HOST:] for _ in range(OF_ONE) if handshakes.begin(each)]
    assert len(taken) == OF_HOST
    # Those of its addresses that were forgotten are strangers' again.
    assert [handshakes.begin(each) for each in stolen[:1000]].count(True) == OF_STRANGERS
    assert [handshakes.begin(HOST) for _ in range(OF_ONE)] == [True] * OF_ONE


def test_an_address_whose_handshake_failed_is_a_stranger_s() -> None:
    clock = Clock()
    handshakes = TlsHandshakes(clock)
    assert handshakes.begin(HOST)
    ended(handshakes, clock, HOST, None)
    assert strangers(handshakes) == OF_STRANGERS
    assert not handshakes.begin(HOST)


def test_few_lines_tell_of_many_strangers() -> None:
    now = 0.0
    handshakes = TlsHandshakes(lambda: now)
    assert [handshakes.is_to_be_told(HOST) for _ in range(3)] == [True, False, False]
    assert sum(handshakes.is_to_be_told(f"198.51.100.{number}") for number in range(100)) == 29
    now = 61.0
    assert handshakes.is_to_be_told(HOST)
