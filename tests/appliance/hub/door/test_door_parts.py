"""The parts of the front door that need no kernel."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from appliance.hub.door import rules
from appliance.hub.door.budget import Budget
from appliance.hub.door.datagram import Arrival, checksum, packet
from appliance.hub.door.directory import Directory
from appliance.hub.door.initiation import LENGTH, is_initiation
from appliance.model.keys import new_key_pair
from tests.appliance.hub.door.attacks import initiation

_KEYS = [new_key_pair().public for _ in range(5)]
_ports = st.integers(1, 65535)


@given(st.binary(max_size=200))
def test_whatever_arrives_is_an_initiation_or_not(datagram: bytes) -> None:
    assert is_initiation(datagram) == (len(datagram) == LENGTH and datagram[:4] == b"\1\0\0\0")


@given(st.sampled_from(_KEYS), st.integers(0, 131), st.integers(1, 255))
def test_an_initiation_is_its_organization_s_and_nobody_else_s(key: str, position: int, change: int) -> None:
    directory = Directory()
    for number, each in enumerate(_KEYS):
        directory.admit(str(number), each, 52000 + number)
    datagram = initiation(key)
    found = directory.find(datagram)
    assert found is not None
    assert found.hub_public_key == key
    damaged = bytearray(datagram)
    damaged[position] ^= change
    assert directory.find(bytes(damaged)) is None


def test_a_source_is_remembered_for_as_long_as_there_is_room() -> None:
    directory = Directory(remembered=2)
    entry = directory.admit("one", _KEYS[0], 52001)
    mine = initiation(_KEYS[0])
    for number in range(3):
        directory.remember(("192.0.2.1", number), entry)
    assert [directory.recall(("192.0.2.1", number), mine) for number in range(3)] == [None, entry, entry]
    assert directory.recall(("192.0.2.1", 2), initiation(_KEYS[1])) is None


def test_who_is_dismissed_or_changed_is_not_recalled() -> None:
    directory = Directory()
    before, mine = directory.admit("one", _KEYS[0], 52001), initiation(_KEYS[0])
    directory.remember(("192.0.2.1", 1), before)
    after = directory.admit("one", _KEYS[0], 52002)
    assert directory.recall(("192.0.2.1", 1), mine) is None
    directory.remember(("192.0.2.1", 1), before)
    assert directory.recall(("192.0.2.1", 1), mine) is None
    directory.remember(("192.0.2.1", 1), after)
    assert directory.recall(("192.0.2.1", 1), mine) is after
    directory.dismiss("one")
    directory.dismiss("one")
    assert directory.recall(("192.0.2.1", 1), mine) is None
    assert directory.find(mine) is None


@given(st.ip_addresses(v=4), st.ip_addresses(v=4), _ports, _ports, st.binary(max_size=200))
def test_a_packet_of_ipv4_says_what_it_should(
    source: object, destination: object, port: int, to: int, payload: bytes
) -> None:
    made = packet(Arrival(4, payload, (str(source), port), str(destination), 0), to)
    assert made[0] == 0x45
    assert made[12:20] == socket.inet_aton(str(source)) + socket.inet_aton(str(destination))
    _check_udp(made[20:], made[12:20], port, to, payload)


@given(st.ip_addresses(v=6), st.ip_addresses(v=6), _ports, _ports, st.binary(max_size=200))
def test_a_packet_of_ipv6_says_what_it_should(
    source: object, destination: object, port: int, to: int, payload: bytes
) -> None:
    made = packet(Arrival(6, payload, (str(source).partition("%")[0], port), str(destination), 0), to)
    assert struct.unpack_from("!IHBB", made) == (6 << 28, 8 + len(payload), 17, 64)
    _check_udp(made[40:], made[8:40], port, to, payload)


def _check_udp(udp: bytes, addresses: bytes, port: int, to: int, payload: bytes) -> None:
    assert struct.unpack_from("!HHH", udp) == (port, to, 8 + len(payload))
    assert udp[6:8] != b"\0\0"
    assert udp[8:] == payload
    # A sum over data with its own checksum comes to nothing.
    assert checksum(addresses + struct.pack("!HH", 17, len(udp)) + udp) == 0


class Clock:
    """Wall time and processor time that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.worked = 0.0

    def work(self, seconds: float) -> None:
        self.now += seconds
        self.worked += seconds


@given(st.lists(st.tuples(st.floats(0, 0.5), st.floats(0.0001, 0.01)), max_size=50))
def test_strangers_never_get_more_than_their_share(steps: list[tuple[float, float]]) -> None:
    clock = Clock()
    budget = Budget(0.2, 0.1, lambda: clock.now, lambda: clock.worked)
    longest = 0.0
    for pause, effort in steps:
        clock.now += pause
        clock.now += budget.wait()
        assert budget.wait() == 0.0
        with budget.spending():
            clock.work(effort)
        longest = max(longest, effort)
        assert clock.worked <= 0.1 + 0.2 * clock.now + longest


def test_a_full_table_of_sessions_is_out_of_reach() -> None:
    """Every pace of initiations at once, for as long as an entry lasts, with their bursts."""
    paces = [rules._STRANGERS_PACE, rules._REGULARS_PACE]
    rate = sum(int(each.split("/")[0]) for each in paces)
    burst = sum(int(each.split()[2]) for each in paces)
    assert rate * rules.SESSION_LEASE_S + burst < rules._SESSIONS


def test_no_rule_speaks_of_another_instance() -> None:
    layout = rules.Layout("mwabcdoor", 51820, 41000)
    for line in rules.in_place(layout).splitlines():
        assert " inet " not in line or " inet mwabcdoor" in line
    flow = rules.Flow(IPv4Address("192.0.2.1"), 1, 2)
    assert rules.resumed("mwabcdoor", [flow]).count("192.0.2.1 . 1") == 2
