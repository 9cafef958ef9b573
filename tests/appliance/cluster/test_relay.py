"""Calls between hosts: whole, both ways, and for hosts of one authority only."""

from __future__ import annotations

import os
import resource
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest
import structlog

from appliance.cluster.etcd import SocketAddress
from appliance.cluster.relay import Listener, Unreached, connect
from appliance.cluster.tls_handshakes import OF_ONE
from tests.appliance.cluster.authority import Authority
from tests.waiting import DEADLINE, wait_until

_HERE = "127.0.0.1"
_MOST_OF_SELECT = 1024


def echo(connection: socket.socket, _: str = "") -> None:
    """Sends everything back until the other side ends."""
    with connection:
        while piece := connection.recv(2**16):
            connection.sendall(piece)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Provides the cluster's authority."""
    return Authority(tmp_path / "authority")


@pytest.fixture
def listener(authority: Authority) -> Iterator[Listener]:
    """Provides a host that sends everything back."""
    with closing(Listener(SocketAddress(_HERE, 0), authority.identity("hub1"), echo)) as made:
        yield made


@pytest.fixture
def where(listener: Listener) -> SocketAddress:
    """Provides the address of that host."""
    return SocketAddress(_HERE, listener.port)


def test_megabytes_go_both_ways_at_once(authority: Authority, where: SocketAddress) -> None:
    sent = os.urandom(8 * 2**20)
    with connect(where, "hub1", authority.client("web1")) as connection:
        connection.settimeout(DEADLINE)
        sending = threading.Thread(target=connection.sendall, args=(sent,))
        sending.start()
        got = bytearray()
        while len(got) < len(sent):
            got += connection.recv(2**16)
        sending.join()
    assert bytes(got) == sent


@pytest.fixture
def crowd() -> Iterator[None]:
    """Takes all descriptors that select(2) could deal with, as a hub of many organizations does."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < 2 * _MOST_OF_SELECT:
        pytest.skip("this machine gives a process too few open files (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * _MOST_OF_SELECT, before[1]))
    with ExitStack() as opened:
        while opened.enter_context(Path(os.devnull).open("rb")).fileno() < _MOST_OF_SELECT:
            pass
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("crowd")
def test_calls_pass_where_many_files_are_open(authority: Authority, where: SocketAddress) -> None:
    with connect(where, "hub1", authority.client("web1")) as connection:
        connection.settimeout(DEADLINE)
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"


def test_the_end_of_a_caller_is_noticed(authority: Authority) -> None:
    ended = threading.Event()

    def wait(connection: socket.socket, _: str) -> None:
        echo(connection)
        ended.set()

    with closing(Listener(SocketAddress(_HERE, 0), authority.identity("hub1"), wait)) as listener:
        with connect(SocketAddress(_HERE, listener.port), "hub1", authority.client("web1")) as connection:
            connection.settimeout(DEADLINE)
            connection.sendall(b"x")
            assert connection.recv(1) == b"x"
            assert not ended.is_set()
        assert ended.wait(DEADLINE)


def test_a_host_of_another_name_is_not_taken_for_it(authority: Authority, where: SocketAddress) -> None:
    with pytest.raises(Unreached, match="hub2 can't be reached"):
        connect(where, "hub2", authority.client("web1"))


def test_hosts_of_another_authority_are_turned_away(
    authority: Authority, listener: Listener, where: SocketAddress, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "strangers").identity("web1")
    with pytest.raises(Unreached):
        connect(where, "hub1", stranger.context(ssl.PROTOCOL_TLS_CLIENT))
    # It trusts the hub, and the hub does not trust it: TLS 1.3 tells the caller with its first answer.
    mixed = type(stranger)(authority.certificate, stranger.certificate, stranger.key)
    with connect(where, "hub1", mixed.context(ssl.PROTOCOL_TLS_CLIENT)) as connection:
        connection.settimeout(DEADLINE)
        assert refused(connection)
    wait_until(lambda: listener.refused == {"crowded": 0, "stranger": 2, "unproven": 0})


def silent(where: SocketAddress, sender: str, count: int) -> Iterator[socket.socket]:
    """Opens connections from an address that say nothing."""
    for _ in range(count):
        yield socket.create_connection((where.host, where.port), DEADLINE, source_address=(sender, 0))


def answers(where: SocketAddress, authority: Authority) -> bool:
    """Tells whether a host's call is answered now."""
    try:
        with connect(where, "hub1", authority.client("web1")) as connection:
            connection.settimeout(DEADLINE)
            connection.sendall(b"x")
            return connection.recv(1) == b"x"
    except (Unreached, ConnectionError):
        return False


def test_one_address_takes_no_place_of_hosts(authority: Authority) -> None:
    """Opens more connections than the hub takes of hosts, as a stranger whose handshakes never end."""
    few = Listener(SocketAddress(_HERE, 0), authority.identity("hub1"), echo, most=4)
    with closing(few), ExitStack() as opened:
        for each in silent(SocketAddress(_HERE, few.port), "127.0.0.2", OF_ONE + 8):
            opened.enter_context(each)
        assert answers(SocketAddress(_HERE, few.port), authority)
        wait_until(lambda: few.refused["unproven"] == 8)
        assert few.refused["crowded"] == 0


def test_hosts_beyond_the_bound_are_turned_away(authority: Authority) -> None:
    few = Listener(SocketAddress(_HERE, 0), authority.identity("hub1"), echo, most=1)
    where = SocketAddress(_HERE, few.port)
    with closing(few):
        with connect(where, "hub1", authority.client("web1")) as first:
            first.settimeout(DEADLINE)
            first.sendall(b"x")
            assert first.recv(1) == b"x"
            assert not answers(where, authority)
            assert few.refused == {"crowded": 1, "stranger": 0, "unproven": 0}
        wait_until(lambda: answers(where, authority))


def test_many_addresses_take_no_place_of_known_hosts(
    authority: Authority, listener: Listener, where: SocketAddress
) -> None:
    assert answers(where, authority)
    with structlog.testing.capture_logs() as lines, ExitStack() as opened:
        for number in range(60):
            for each in silent(where, f"127.0.1.{number}", 10):
                opened.enter_context(each)
        assert answers(where, authority)
        wait_until(lambda: listener.refused["unproven"] + listener.refused["stranger"] == 600)
    assert listener.refused["unproven"] > 0
    senders = [line["sender"] for line in lines]
    assert len(senders) == len(set(senders)) == 30


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begins a handshake only after the other side has left."""
    begin = ssl.SSLContext.wrap_socket

    def begin_late(context: ssl.SSLContext, plain: socket.socket, **options: Any) -> ssl.SSLSocket:
        wait_until(lambda: has_left(plain))
        return begin(context, plain, **options)

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", begin_late)


def has_left(connection: socket.socket) -> bool:
    """Tells whether the other side has reset the connection."""
    try:
        connection.getpeername()
    except OSError:
        return True
    return False


def end_and_reset(connection: socket.socket) -> None:
    """Ends a connection, and resets it at once (SO_LINGER, socket(7))."""
    connection.shutdown(socket.SHUT_WR)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.usefixtures("hasty")
def test_a_caller_who_leaves_at_once_is_no_host(listener: Listener, where: SocketAddress) -> None:
    """Without a handshake to end, Python reports no error (`ssl.SSLContext.wrap_socket`)."""
    for each in silent(where, "127.0.0.2", OF_ONE):
        end_and_reset(each)
    wait_until(lambda: listener.refused["stranger"] == OF_ONE)
    assert listener.refused["unproven"] == 0


@pytest.mark.usefixtures("hasty")
def test_a_host_that_leaves_at_once_is_unreached(authority: Authority) -> None:
    with socket.create_server((_HERE, 0)) as leaving:
        thread = threading.Thread(target=lambda: end_and_reset(leaving.accept()[0]))
        thread.start()
        with pytest.raises(Unreached, match="hub1 can't be reached"):
            connect(SocketAddress(_HERE, leaving.getsockname()[1]), "hub1", authority.client("web1"))
        thread.join()


def test_handshakes_that_fail_are_paced(listener: Listener, where: SocketAddress) -> None:
    """Sends handshakes of no sense as fast as they are taken: each is work for the hub."""
    began = time.monotonic()
    for each in silent(where, "127.0.0.2", 400):
        with each, suppress(ConnectionError):
            each.sendall(b"GET / HTTP/1.1\r\n\r\n")
    wait_until(lambda: sum(listener.refused.values()) == 400)
    assert listener.refused["stranger"] <= OF_ONE * (2 + time.monotonic() - began)
    assert listener.refused["unproven"] > 0


def refused(connection: socket.socket) -> bool:
    """Tells whether the other side ends the connection without an answer."""
    try:
        connection.sendall(b"x")
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_nobody_there_is_said_at_once(authority: Authority) -> None:
    with socket.create_server((_HERE, 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreached, match="Connection refused"):
        connect(SocketAddress(_HERE, port), "hub1", authority.client("web1"))
