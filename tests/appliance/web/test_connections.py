"""Choice of the connections to close when there are too many."""

from __future__ import annotations

import select
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from appliance.web.connections import Connection, ConnectionLimits, beyond, end_unread, trim, watch
from appliance.web.limits import RateLimits
from appliance.web.network_allowance import EVERYBODY
from tests.waiting import DEADLINE

ANY = ConnectionLimits(of_one=3, together=100)


class Crowd:
    """A port of this process, and connections to it from several addresses."""

    def __init__(self, opened: ExitStack) -> None:
        self._opened = opened
        self._listening = opened.enter_context(socket.create_server(("0.0.0.0", 0), backlog=100))
        self.port = self._listening.getsockname()[1]
        self.listening = self._listening.fileno()
        self.clients: list[socket.socket] = []
        self.accepted: list[socket.socket] = []

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """Opens another connection, which is silent."""
        target = ("127.0.0.1", self.port)
        client = self._opened.enter_context(socket.create_connection(target, 10, source_address=(source, 0)))
        self.accepted.append(self._opened.enter_context(self._listening.accept()[0]))
        self.clients.append(client)
        return client

    def left(self) -> list[socket.socket]:
        """Lists the connections that are still open."""
        ended, _, _ = select.select(self.clients, [], [], 0)
        return [each for each in self.clients if each not in ended]


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    with ExitStack() as opened:
        yield Crowd(opened)


def silence(client: socket.socket) -> int:
    """Returns the milliseconds since the connection was opened or sent data (tcpi_last_data_sent)."""
    told = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 56)
    return int.from_bytes(told[44:48], "little")


def test_connections_silent_for_longest_are_closed(crowd: Crowd) -> None:
    clients = [crowd.connect() for _ in range(6)]
    while min(map(silence, clients)) < 20:
        pass
    for each in clients[:3]:
        each.sendall(b"x")
    assert len(trim(crowd.port, (), ANY)) == 3
    assert crowd.left() == clients[:3]
    assert not trim(crowd.port, (), ANY)


def test_each_address_has_its_own_bound(crowd: Crowd) -> None:
    clients = [crowd.connect(f"127.0.0.{number}") for number in (1, 2, 3) for _ in range(3)]
    assert not trim(crowd.port, (), ANY)
    assert crowd.left() == clients


def test_trusted_addresses_have_more_connections_but_not_all(crowd: Crowd) -> None:
    for _ in range(8):
        crowd.connect("127.0.0.9")
    trusted = [ip_network("127.0.0.9/32")]
    assert not trim(crowd.port, trusted, ANY)
    assert len(trim(crowd.port, trusted, ConnectionLimits(of_one=3, together=5))) == 3
    assert len(crowd.left()) == 5


def test_connections_of_other_ports_stay_open(crowd: Crowd) -> None:
    for _ in range(6):
        crowd.connect()
    assert not trim(crowd.port + 1, (), ANY)
    assert len(crowd.left()) == 6


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 9)), max_size=200))
def test_a_network_has_one_share_for_all_its_addresses(parts: list[tuple[int, int, int, int]]) -> None:
    with socket.socket() as any_socket:
        connections = [
            Connection(any_socket, f"2001:db8:{customer:x}:{building:x}0{floor:x}::{host:x}", silent=number)
            for number, (customer, building, floor, host) in enumerate(parts)
        ]
    ended = [each.connection for each in beyond(connections, (), ConnectionLimits(of_one=3, together=40))]
    kept = [each for each in connections if each not in ended]
    assert len(kept) <= 40
    for length, most in ((64, 3), (56, 6), (48, 12)):
        by_network = Counter(ip_network((each.address, length), strict=False) for each in kept)
        assert all(count <= most for count in by_network.values())
    # Of an address alone in the world, nothing ends.
    assert not beyond(connections[:1], (), ConnectionLimits(of_one=3, together=40))


def test_an_ended_connection_is_counted_by_the_limit_it_reached(crowd: Crowd) -> None:
    for address in ("127.0.0.1",) * 5 + ("127.0.0.2",) * 3:
        crowd.connect(address)
    limits, stopped = RateLimits(), threading.Event()

    def note(level: str, network: str) -> None:
        limits.note("connections", level, network)
        stopped.set()

    with capture_logs() as logs:
        watch(crowd.port, (), stopped, note, ConnectionLimits(of_one=3, together=5))
    assert limits.refused == {("connections", "address"): 2, ("connections", EVERYBODY): 1}
    assert [(each["of"], each["network"]) for each in logs] == [("address", "127.0.0.1"), (EVERYBODY, EVERYBODY)]


def _fill(server: socket.socket) -> None:
    while True:
        try:
            server.send(b"x" * 65536)
        except BlockingIOError:
            assert select.select([], [server], [], DEADLINE)[1], "it is not let go"


def test_a_client_that_reads_no_answer_is_disconnected(crowd: Crowd) -> None:
    # In this process, a socket that listens is not among the first descriptors.
    end_unread(crowd.port, 0.2, first=crowd.listening + 1)
    client, server = crowd.connect(), crowd.accepted[-1]
    server.setblocking(False)
    # The kernel takes more and more for the client, until it is full as well.
    with pytest.raises(TimeoutError):
        _fill(server)
    client.close()
