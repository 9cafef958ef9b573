"""Which connections end when there are too many."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_network

import pytest

from appliance.web.connections import Bounds, trim

ANY = Bounds(of_one=3, together=100)


class Crowd:
    """A port of this process, and connections to it from several addresses."""

    def __init__(self, opened: ExitStack) -> None:
        self._opened = opened
        self._listening = opened.enter_context(socket.create_server(("0.0.0.0", 0), backlog=100))
        self.port = self._listening.getsockname()[1]
        self.clients: list[socket.socket] = []

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """One more, which has said nothing yet."""
        target = ("127.0.0.1", self.port)
        client = self._opened.enter_context(socket.create_connection(target, 10, source_address=(source, 0)))
        self._opened.enter_context(self._listening.accept()[0])
        self.clients.append(client)
        return client

    def left(self) -> list[socket.socket]:
        """Those that were not ended."""
        ended, _, _ = select.select(self.clients, [], [], 0)
        return [each for each in self.clients if each not in ended]


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    with ExitStack() as opened:
        yield Crowd(opened)


def silence(client: socket.socket) -> int:
    """Milliseconds since it was opened or sent something (tcpi_last_data_sent)."""
    told = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 56)
    return int.from_bytes(told[44:48], "little")


def test_those_that_are_silent_longest_go(crowd: Crowd) -> None:
    clients = [crowd.connect() for _ in range(6)]
    while min(map(silence, clients)) < 20:
        pass
    for each in clients[:3]:
        each.sendall(b"x")
    assert trim(crowd.port, (), ANY) == 3
    assert crowd.left() == clients[:3]
    assert trim(crowd.port, (), ANY) == 0


def test_each_address_has_its_own(crowd: Crowd) -> None:
    clients = [crowd.connect(f"127.0.0.{number}") for number in (1, 2, 3) for _ in range(3)]
    assert trim(crowd.port, (), ANY) == 0
    assert crowd.left() == clients


def test_whom_the_operator_trusts_may_have_more_but_not_everything(crowd: Crowd) -> None:
    for _ in range(8):
        crowd.connect("127.0.0.9")
    trusted = [ip_network("127.0.0.9/32")]
    assert trim(crowd.port, trusted, ANY) == 0
    assert trim(crowd.port, trusted, Bounds(of_one=3, together=5)) == 3
    assert len(crowd.left()) == 5


def test_other_ports_are_not_looked_at(crowd: Crowd) -> None:
    for _ in range(6):
        crowd.connect()
    assert trim(crowd.port + 1, (), ANY) == 0
    assert len(crowd.left()) == 6
