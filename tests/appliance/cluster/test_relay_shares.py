"""Places of hosts at a hub: a stolen certificate of one keeps no other host out, however often it connects anew."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from appliance.cluster.etcd import SocketAddress
from appliance.cluster.relay import Listener, Unreached, connect
from appliance.hub.rpc import codec
from appliance.hub.rpc.client import HubClient
from appliance.hub.rpc.messages import Apply, HubStatus, Status, TimedCall
from appliance.hub.rpc.server import Server
from tests.appliance.cluster.authority import Authority
from tests.waiting import DEADLINE, wait_until

HERE = "127.0.0.1"
MOST, MOST_OF_ONE = 12, 4
LARGE = 2**21
CALL = codec.encode(TimedCall(Apply("acmeacme22", None, 1, 2), patience_s=DEADLINE))
LARGE_CALL = codec.encode({**codec.decode(CALL, dict), "filling": bytes(LARGE)})


@dataclass
class Hub:
    """A hub that takes calls of other hosts.

    Attributes:
        callers: names of the hosts whose connections it serves.
    """

    listener: Listener
    callers: list[str] = field(default_factory=list)

    @property
    def where(self) -> SocketAddress:
        """Address of it."""
        return SocketAddress(HERE, self.listener.port)

    def connect(self, context: ssl.SSLContext) -> socket.socket:
        """Connects as a host with this certificate."""
        made = connect(self.where, "hub1", context)
        made.settimeout(DEADLINE)
        return made

    def connect_from_elsewhere(self, context: ssl.SSLContext) -> socket.socket:
        """Connects from another address with this certificate; nothing is read from the connection by itself."""
        plain = socket.create_connection((HERE, self.where.port), DEADLINE, source_address=("127.0.0.2", 0))
        return context.wrap_socket(plain, server_hostname="hub1")


@contextmanager
def made(folder: Path, authority: Authority, message_s: float) -> Iterator[Hub]:
    """Makes a hub.

    Args:
        message_s: seconds in which a message has to arrive.
    """

    def answer(call: object, _: object) -> object:
        return HubStatus("none", "1", 0, 0) if isinstance(call, Status) else None

    server = Server(folder / "sock", None, answer, message_s=message_s)
    callers = list[str]()

    def serve(connection: socket.socket, caller: str) -> None:
        callers.append(caller)
        server.converse(connection, caller)

    identity, where = authority.identity("hub1"), SocketAddress(HERE, 0)
    with (
        closing(server),
        closing(Listener(where, identity, serve, MOST, MOST_OF_ONE)) as listener,
    ):
        yield Hub(listener, callers)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Provides the cluster's authority."""
    return Authority(tmp_path / "authority")


class Thief:
    """A program that fills the places of one host all the time.

    Args:
        first: what each of the connections begins with.
    """

    def __init__(self, connect_one: Callable[[], socket.socket], first: bytes) -> None:
        self._connect = connect_one
        self._first = first
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._fill) for _ in range(2 * MOST_OF_ONE)]
        self.connected = 0

    def __enter__(self) -> Thief:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for each in self._threads:
            each.join()

    def _fill(self) -> None:
        while not self._ended.is_set():
            with suppress(OSError, Unreached), closing(self._connect()) as connection:
                connection.sendall(self._first)
                self.connected += 1
                connection.settimeout(0.05)
                while not self._ended.is_set():
                    with suppress(TimeoutError):
                        if not connection.recv(1):
                            break


def serves(hub: Hub, context: ssl.SSLContext) -> None:
    """Checks that a host's small and large calls are answered, without another try."""
    HubClient(lambda: hub.connect(context)).status()
    with closing(hub.connect(context)) as connection:
        connection.sendall(struct.pack("!I", len(LARGE_CALL)) + LARGE_CALL)
        assert codec.receive(connection) is not None


@pytest.mark.parametrize("first", [b"", b"\0", struct.pack("!I", LARGE) + b"x"], ids=["idle", "begun", "large"])
@pytest.mark.parametrize("message_s", [DEADLINE, 2.0], ids=["once", "again and again"])
def test_a_thief_of_one_certificate_keeps_no_host_out(
    tmp_path: Path, authority: Authority, first: bytes, message_s: float
) -> None:
    stolen, honest = authority.client("hub2"), authority.client("hub3")
    with made(tmp_path, authority, message_s) as hub, Thief(lambda: hub.connect_from_elsewhere(stolen), first) as thief:
        wait_until(lambda: thief.connected >= MOST_OF_ONE and hub.listener.refused["crowded"] > 0)
        for _ in range(3):
            serves(hub, honest)
    assert {each.split()[0] for each in hub.callers} == {"hub2", "hub3"}


def test_another_certificate_of_a_host_has_its_own_places(tmp_path: Path, authority: Authority) -> None:
    """Renews a certificate that was stolen; the thief's connections with the former one go on."""
    former, renewed = authority.client("hub2"), authority.client("hub2")
    with made(tmp_path, authority, DEADLINE) as hub, Thief(lambda: hub.connect_from_elsewhere(former), b"") as thief:
        wait_until(lambda: thief.connected >= MOST_OF_ONE and hub.listener.refused["crowded"] > 0)
        serves(hub, renewed)


def test_refused_connections_of_a_host_are_paced(tmp_path: Path, authority: Authority) -> None:
    """Connects anew as fast as it gets: each handshake is work for the hub."""
    stolen = authority.client("hub2")
    with made(tmp_path, authority, DEADLINE) as hub, ExitStack() as opened:
        for _ in range(MOST_OF_ONE):
            opened.enter_context(closing(hub.connect(stolen)))
        for _ in range(200):
            with suppress(Unreached, OSError), closing(hub.connect(stolen)) as connection:
                connection.recv(1)
        wait_until(lambda: hub.listener.refused["crowded"] > 0)
        assert hub.listener.refused["unproven"] > 0


def test_a_place_is_held_as_long_as_a_thread_works_for_it(authority: Authority) -> None:
    """Leaves megabytes unread: the call ends, and then the thread that carries what there is for this host."""
    given_up, served = threading.Event(), threading.Event()

    def give(connection: socket.socket, _: str) -> None:
        with connection:
            if given_up.is_set():
                served.set()
                return
            connection.settimeout(0.05)
            with suppress(TimeoutError):
                connection.sendall(bytes(2**26))
            given_up.set()

    stolen = authority.client("hub2")
    with closing(Listener(SocketAddress(HERE, 0), authority.identity("hub1"), give, MOST, 1)) as listener:
        hub = Hub(listener)

        def asks_again() -> bool:
            with suppress(Unreached), closing(hub.connect(stolen)):
                return served.wait(0.05)
            return False

        with closing(hub.connect_from_elsewhere(stolen)):
            assert given_up.wait(DEADLINE)
            assert not asks_again()
            assert listener.refused["crowded"] == 1
        wait_until(asks_again)
