"""The parts of the front door that need no kernel."""

from __future__ import annotations

import re
import socket
import struct
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.hub.errors import RulesetError
from appliance.hub.front_door import rules, table, transactions
from appliance.hub.front_door.budget import ProcessorBudget
from appliance.hub.front_door.datagram import Arrival, checksum, packet, sender_of
from appliance.hub.front_door.demultiplexer import HANDSHAKES
from appliance.hub.front_door.directory import Directory
from appliance.hub.front_door.fair import FairQueue
from appliance.hub.front_door.initiation import LENGTH, is_initiation
from appliance.hub.front_door.last_endpoints import LastEndpoint, resumed
from appliance.hub.front_door.memory import (
    ASKED,
    BEGUN_OF,
    HANDED,
    KNOWN_OF,
    KNOWN_SOURCES,
    MEMORIES,
    OFFERED_OF,
    OFFERS,
    REGULARS,
    REGULARS_OF,
    REPLIED,
    RESUMED,
    SESSIONS,
    STRANGERS,
    Memory,
    Meter,
)
from appliance.hub.front_door.share import Share, paces
from appliance.hub.front_door.token_bucket import TokenBucket
from appliance.model.keys import new_key_pair
from appliance.service.machine_bounds import MOST_MACHINES
from tests.appliance.hub.front_door.attacks import initiation

_KEYS = [new_key_pair().public for _ in range(5)]
_ports = st.integers(1, 65535)

# Constants of the protocol, in seconds. Source: the WireGuard paper, https://www.wireguard.com/papers/wireguard.pdf,
# section 6.1.
_REKEY_AFTER_TIME = 120
_REJECT_AFTER_TIME = 180
_REKEY_TIMEOUT = 5


@given(st.binary(max_size=200))
def test_any_datagram_is_recognized_or_refused(datagram: bytes) -> None:
    assert is_initiation(datagram) == (len(datagram) == LENGTH and datagram[:4] == b"\1\0\0\0")


@given(st.sampled_from(_KEYS), st.integers(0, 131), st.integers(1, 255))
def test_an_initiation_is_delivered_to_its_organization_only(key: str, position: int, change: int) -> None:
    directory = Directory()
    for number, each in enumerate(_KEYS):
        directory.admit(str(number), each, 22000 + number)
    datagram = initiation(key)
    found = directory.find(datagram)
    assert found is not None
    assert found.hub_public_key == key
    damaged = bytearray(datagram)
    damaged[position] ^= change
    assert directory.find(bytes(damaged)) is None


def test_a_link_s_port_leads_to_its_present_organization() -> None:
    directory = Directory()
    before, mine = directory.admit("one", _KEYS[0], 22001), initiation(_KEYS[0])
    assert directory.at(22001, mine) is before
    assert directory.at(22001, initiation(_KEYS[1])) is None
    after = directory.admit("one", _KEYS[0], 22002)
    assert (directory.at(22001, mine), directory.at(22002, mine)) == (None, after)
    directory.dismiss("one")
    directory.dismiss("one")
    assert (directory.at(22002, mine), directory.find(mine)) == (None, None)


@given(st.ip_addresses(v=4), st.ip_addresses(v=4), _ports, _ports, st.binary(max_size=200))
def test_an_ipv4_packet_is_encoded_correctly(
    source: object, destination: object, port: int, to: int, payload: bytes
) -> None:
    made = packet(Arrival(4, payload, (str(source), port), str(destination), 0), to)
    assert made[0] == 0x45
    assert made[12:20] == socket.inet_aton(str(source)) + socket.inet_aton(str(destination))
    _check_udp(made[20:], made[12:20], port, to, payload)


@given(st.ip_addresses(v=6), st.ip_addresses(v=6), _ports, _ports, st.binary(max_size=200))
def test_an_ipv6_packet_is_encoded_correctly(
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


def sender(address: IPv4Address | IPv6Address, zone: str = "") -> str:
    """Returns whose queue an initiation from this address waits in."""
    return sender_of(Arrival(address.version, b"", (f"{address}{zone}", 40000), "192.0.2.1", 2))


@given(st.integers(0, 2**64 - 1), st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=2), st.integers(0, 63))
def test_all_addresses_of_an_ipv6_network_are_one_sender(network: int, ends: list[int], bit: int) -> None:
    """Sends from two addresses of a network of 64 bits, which one home has, and from another network."""
    one, other = (IPv6Address(network << 64 | end) for end in ends)
    assert sender(one) == sender(other) == sender(one, "%eth0")
    assert sender(one) != sender(IPv6Address((network ^ 1 << bit) << 64 | ends[0]))


@given(st.sets(st.ip_addresses(v=4), min_size=2, max_size=2))
def test_each_ipv4_address_is_a_sender(addresses: set[IPv4Address]) -> None:
    assert len({sender(each) for each in addresses}) == 2


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
    budget = ProcessorBudget(0.2, 0.1, lambda: clock.now, lambda: clock.worked)
    longest = 0.0
    for pause, effort in steps:
        clock.now += pause
        clock.now += budget.wait()
        assert budget.wait() == 0.0
        with budget.spending():
            clock.work(effort)
        longest = max(longest, effort)
        assert clock.worked <= 0.1 + 0.2 * clock.now + longest


def _most(rate: float, burst: float, lease_s: int) -> float:
    """Returns the number of entries that live at once if each turn makes one."""
    return rate * lease_s + burst


def test_handshakes_of_all_organizations_leave_room_for_sessions() -> None:
    answered = _most(*HANDSHAKES, SESSIONS.lease_s)
    assert answered < SESSIONS.size / 2
    # Twenty organizations may begin as many by the hub's own handshakes as the kernel lets each of them.
    assert answered + 20 * _most(BEGUN_OF.rate, BEGUN_OF.burst, SESSIONS.lease_s) < SESSIONS.size
    for memory in (ASKED, *HANDED.values(), *REPLIED.values()):
        assert _most(*HANDSHAKES, memory.lease_s) < memory.size


def test_first_messages_of_a_few_links_leave_room_for_others() -> None:
    """Has links offer as fast as the kernel lets them; each may turn to all machines of an organization at once."""
    assert OFFERED_OF.burst >= MOST_MACHINES
    assert 20 * _most(OFFERED_OF.rate, OFFERED_OF.burst, OFFERS.lease_s) < OFFERS.size


@pytest.mark.parametrize(
    ("memory", "used_s"),
    [
        *((each, _REJECT_AFTER_TIME) for each in (SESSIONS, *RESUMED.values())),
        # A source stays known if one handshake is missed.
        *((each, 2 * _REKEY_AFTER_TIME) for each in KNOWN_SOURCES),
        *((each, _REKEY_TIMEOUT) for each in (OFFERS, ASKED)),
    ],
    ids=lambda each: each.name if isinstance(each, Memory) else "",
)
def test_a_lease_outlasts_what_wireguard_uses(memory: Memory, used_s: int) -> None:
    assert memory.lease_s > used_s


@given(st.integers(0, 100))
def test_a_small_organization_s_share_is_small(machines: int) -> None:
    """Computes the share of room of each hundred machines: one or two hundredths."""
    found = paces(machines)
    assert sum(_most(*each, SESSIONS.lease_s) for each in found) < SESSIONS.size / 50
    assert sum(rate for rate, _ in found) <= HANDSHAKES[0] / 25
    for memory in KNOWN_SOURCES:
        assert _most(KNOWN_OF.rate, KNOWN_OF.burst, memory.lease_s) < memory.size / 30


@given(st.integers(0, 50_000))
def test_every_machine_of_an_organization_gets_its_handshake(machines: int) -> None:
    """Connects all at once as after a power cut, and each twice within two minutes."""
    for rate, burst in paces(machines):
        assert burst >= machines
        assert rate >= 2 * machines / 120


@pytest.mark.parametrize(
    "meter", [*STRANGERS, *REGULARS, REGULARS_OF, BEGUN_OF, OFFERED_OF, KNOWN_OF], ids=lambda each: each.name
)
def test_a_meter_remembers_senders_above_their_rate(meter: Meter) -> None:
    """Waits for the element's timeout: a forgotten sender would have its burst again."""
    assert meter.lease_s * meter.rate >= meter.burst


_TURNS = st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=60)


@given(_TURNS)
def test_senders_take_turns(turns: list[tuple[int, bool]]) -> None:
    """Bounds each wait by one turn of every other sender, and refuses no sender for another's number."""
    queue: FairQueue[int, tuple[int, int]] = FairQueue(senders=6, each=3, most=99)
    waiting: dict[int, list[tuple[int, int]]] = {sender: [] for sender in range(6)}
    since: dict[int, set[int]] = {sender: set() for sender in range(6)}
    for number, (sender, takes) in enumerate(turns):
        item = sender, number
        assert queue.put(sender, item) is (len(waiting[sender]) < 3)
        if len(waiting[sender]) < 3:
            waiting[sender].append(item)
        if takes:
            taken = queue.take()
            assert taken is not None
            mine = taken[0]
            assert taken == waiting[mine].pop(0)
            since[mine] = set()
            for other, items in waiting.items():
                if items and other != mine:
                    assert mine not in since[other]
                    since[other].add(mine)
        assert len(queue) == sum(map(len, waiting.values()))
        assert queue.waiting == sum(map(bool, waiting.values()))
    while (taken := queue.take()) is not None:
        waiting[taken[0]].remove(taken)
    assert not any(waiting.values())


def test_a_queue_full_of_senders_refuses_new_ones() -> None:
    queue: FairQueue[str, int] = FairQueue(senders=2, each=9, most=99)
    assert [queue.put(sender, 0) for sender in ("one", "two", "three", "one")] == [True, True, False, True]
    assert [queue.take() for _ in range(4)] == [0, 0, 0, None]
    assert queue.put("three", 0)


def test_a_long_queue_has_room_for_senders_without_an_entry() -> None:
    queue: FairQueue[str, int] = FairQueue(senders=9, each=9, most=3)
    assert [queue.put(sender, 0) for sender in ("one", "one", "one", "one", "two", "two")] == [True] * 3 + [
        False,
        True,
        False,
    ]


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 30)), max_size=50))
def test_events_stay_within_their_rate(steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    bucket = TokenBucket(5, 10, lambda: clock.now)
    taken = 0
    for pause, turns in steps:
        clock.now += pause
        taken += sum(bucket.take() for _ in range(turns))
        assert taken <= 10 + 5 * clock.now + 1e-6
        clock.now += bucket.wait()
        assert bucket.wait() == 0.0


def test_a_growing_share_is_not_refilled() -> None:
    clock = Clock()
    share = Share(2, lambda: clock.now)
    assert sum(share.take(is_known=True) for _ in range(1000)) == 58
    for machines in (2, 1, 2, 2):
        share.fit(machines)
    assert sum(share.take(is_known=True) for _ in range(1000)) <= 4
    # What strangers ask for takes nothing from known sources, nor the other way round.
    assert sum(share.take(is_known=False) for _ in range(1000)) > 100


def test_each_link_has_its_share_of_room_for_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RESUMED, 4, replace(RESUMED[4], size=100))
    flows = [LastEndpoint(IPv4Address(number), 1, 22001) for number in range(200)]
    flows += [LastEndpoint(IPv4Address(2**31 + number), 1, 22002) for number in range(9)]
    lines = [each for each in resumed("mwabcdoor", flows).splitlines() if each.startswith("add element")]
    assert [(each.count(": 22001"), each.count(": 22002")) for each in lines if "known4" in each] == [(90, 9)]


def test_a_session_s_packets_meet_few_rules() -> None:
    """Counts the rules before those for packets of sessions, which are most of the traffic."""
    chains = rules.chains_of(rules.Layout("mwabcdoor", 51820, 41000))
    way_in = [chains["enter"][0], *chains["public"][:2], chains["session"][0], chains["deliver"][0]]
    assert [each.rsplit(" ", 2)[-2:] for each in way_in[:1] + way_in[2:4]] == [
        ["goto", "public"],
        ["goto", "session"],
        ["goto", "deliver"],
    ]
    assert way_in[4].endswith("accept")
    assert chains["leave"][1].endswith("goto answer")
    assert (len(chains["leave"]), len(chains["left"])) == (2, 1)
    assert chains["answer"][1].startswith("@th,64,32 67108864")
    assert chains["answer"][1].endswith("accept")


def test_a_map_is_looked_up_only_for_its_values() -> None:
    """Linux 6.1 answers a match of a key alone with EINVAL; a later kernel would not show it."""
    text = transactions.in_place(rules.Layout("table", 51820, 51900))
    maps = {each.name for each in MEMORIES if isinstance(each, Memory) and each.kind == "map"}
    uses = re.findall(r"(\S+) @(\w+)", text[text.index("add rule") :])
    assert maps <= {name for _, name in uses}
    assert {word for word, name in uses if name in maps} <= {"map", "add", "update", "delete"}


def test_no_rule_names_another_instance() -> None:
    layout = rules.Layout("mwabcdoor", 51820, 41000)
    for line in transactions.in_place(layout).splitlines():
        assert " inet " not in line or " inet mwabcdoor" in line
    flow = LastEndpoint(IPv4Address("192.0.2.1"), 1, 2)
    assert resumed("mwabcdoor", [flow]).count("192.0.2.1 . 1") == 3


def test_what_nftables_refuses_is_an_error_in_its_words() -> None:
    with pytest.raises(RulesetError, match=r"^nftables refused the front door's rules: .*syntax error"):
        table.remove("no name {")
