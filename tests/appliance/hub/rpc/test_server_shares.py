"""No caller uses the hub's server up: places and room are divided, and messages have deadlines."""

from __future__ import annotations

import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from appliance.hub.rpc import codec
from appliance.hub.rpc.callers import WaitingCaller
from appliance.hub.rpc.client import HubClient
from appliance.hub.rpc.messages import Apply, HubStatus, Status, TimedCall, together
from appliance.hub.rpc.server import MOST_LARGE_OF_ONE, MOST_OF_USER, Server
from tests.appliance.hub.rpc.served import connected, has_ended, served
from tests.waiting import DEADLINE, wait_until

ACME = "acmeacme22"


@pytest.fixture
def calls(tmp_path: Path) -> Iterator[list[Any]]:
    """Calls to a server on ``tmp_path / "sock"`` that allows this user."""
    with served(tmp_path) as made:
        yield made


def test_a_caller_is_bounded_in_the_hub_s_threads_and_memory(calls: list[Any], tmp_path: Path) -> None:
    with ExitStack() as stack:

        def connection(first: bytes = b"") -> socket.socket:
            made = stack.enter_context(closing(connected(tmp_path / "sock")))
            made.sendall(first)
            return made

        # One large message more than are held at once, each without its end. It is not even read: a socket's buffers
        # have room for a part of it.
        large = [connection(struct.pack("!I", 2**21)) for _ in range(MOST_LARGE_OF_ONE + 1)]
        pool = stack.enter_context(ThreadPoolExecutor())
        sending = {pool.submit(each.sendall, bytes(2**21 - 1)): each for each in large}
        for sent in islice(as_completed(sending, timeout=DEADLINE), MOST_LARGE_OF_ONE):
            sent.result()
        (left,) = (each for each in sending if not each.done())
        HubClient(tmp_path / "sock").status()
        # Above the bound a connection is ended at once; the ones before go on.
        kept = HubClient(tmp_path / "sock")
        kept.status()
        others = [connection() for _ in range(MOST_OF_USER + 40)]
        # They come to their turns in this order.
        assert others[-1].recv(1) == b""
        assert 30 <= sum(map(has_ended, others)) <= 50
        kept.status()
        assert not left.done()
        sending[left].shutdown(socket.SHUT_RDWR)
        assert isinstance(left.exception(), BrokenPipeError)
    assert calls == [Status()] * 3


@contextmanager
def announcing(path: Path, *lengths: int) -> Iterator[list[socket.socket]]:
    """Opens connections, and announces a message of one of these lengths on each."""
    with ExitStack() as stack:
        made = [stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) for _ in lengths]
        for each, length in zip(made, lengths, strict=True):
            each.settimeout(DEADLINE)
            each.connect(str(path))
            each.sendall(struct.pack("!I", length))
        yield made


def test_the_time_of_a_large_call_begins_before_it_has_room(tmp_path: Path) -> None:
    looks, callers, now = list[float](), list[WaitingCaller](), 100.0

    def clock() -> float:
        looks.append(now)
        return now

    server = Server(tmp_path / "sock", None, lambda _, caller: callers.append(caller), clock=clock)
    thread = threading.Thread(target=server.serve)
    thread.start()
    call = codec.encode(TimedCall(Apply(ACME, None, 1, 2), patience_s=5.0))
    # Whatever follows the call is no part of it.
    filled = codec.encode({**codec.decode(call, dict), "filling": bytes(2**21)})
    try:
        with announcing(tmp_path / "sock", *[2**21] * MOST_LARGE_OF_ONE) as (first, *_):
            wait_until(lambda: len(looks) == MOST_LARGE_OF_ONE)
            with announcing(tmp_path / "sock", len(filled)) as (last,), ThreadPoolExecutor() as pool:
                wait_until(lambda: len(looks) == MOST_LARGE_OF_ONE + 1)
                now = 200.0
                first.close()
                pool.submit(last.sendall, filled).result(DEADLINE)
                assert codec.receive(last) is not None
    finally:
        server.close()
        thread.join()
    assert [each.until for each in callers] == [105.0]


def test_a_large_call_without_room_ends_when_its_caller_leaves(tmp_path: Path) -> None:
    with (
        served(tmp_path, room_wait_s=0.05) as calls,
        announcing(tmp_path / "sock", *[2**21] * (MOST_LARGE_OF_ONE + 1)) as connections,
    ):
        ended, _, _ = select.select(connections, [], [], DEADLINE)
        assert [each.recv(1) for each in ended] == [b""]
        HubClient(tmp_path / "sock").status()
        assert calls == [Status()]


@pytest.mark.parametrize("begun", [b"\0", struct.pack("!I", 100) + b"x", struct.pack("!I", 2**21) + b"x"])
def test_a_message_that_never_ends_ends_its_connection(tmp_path: Path, begun: bytes) -> None:
    with (
        served(tmp_path, message_s=0.05),
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
    ):
        connection.settimeout(DEADLINE)
        connection.connect(str(tmp_path / "sock"))
        connection.sendall(begun)
        assert connection.recv(1) == b""


def test_a_message_that_trickles_has_no_more_time(tmp_path: Path) -> None:
    with (
        served(tmp_path, message_s=0.3),
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
    ):
        connection.connect(str(tmp_path / "sock"))
        connection.sendall(struct.pack("!I", 10**6))
        connection.settimeout(0.01)

        def has_ended() -> bool:
            try:
                connection.sendall(b"x")
                return connection.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        wait_until(has_ended)


def test_an_idle_connection_has_no_end(tmp_path: Path) -> None:
    with (
        served(tmp_path, message_s=0.05) as calls,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
    ):
        connection.settimeout(DEADLINE)
        connection.connect(str(tmp_path / "sock"))
        for pause in (0.2, 0.0):
            codec.send(connection, TimedCall(Status(), patience_s=DEADLINE))
            assert codec.receive(connection) is not None
            time.sleep(pause)
        assert calls == [Status()] * 2


def test_an_answer_that_nobody_takes_ends_its_connection(tmp_path: Path) -> None:
    ended = threading.Event()
    server = Server(tmp_path / "sock", None, lambda *_: bytes(2**24), ended.set, message_s=0.05)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(str(tmp_path / "sock"))
            codec.send(connection, TimedCall(Status(), patience_s=DEADLINE))
            assert ended.wait(DEADLINE)
    finally:
        server.close()
        thread.join()


def test_a_user_with_all_its_places_keeps_no_other_out(tmp_path: Path) -> None:
    """Holds the connections and the room of one user, who asks for more all the time; then another one calls."""
    tmp_path.chmod(0o755)
    other = 64_218
    with served(tmp_path, web_uid=other) as calls, crowd(tmp_path, other):
        client = HubClient(tmp_path / "sock")
        client.status()
        with announcing(tmp_path / "sock", 2**21) as (large,):
            large.sendall(bytes(2**21))
            # No call, but it was read to its end, for which it had room.
            assert codec.receive(large) is not None
        assert calls == [Status()]


@contextmanager
def crowd(folder: Path, uid: int) -> Iterator[None]:
    """Runs a program of another user that holds as many connections as it can get, two of them with large messages."""
    command = [sys.executable, "-c", CROWD, str(uid)]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"full\n"
        yield
        process.stdin.close()
        assert process.wait(DEADLINE) == 0


CROWD = """
import os, socket, struct, sys, threading

# From the folder, as this user could not go through those above it.
os.setuid(int(sys.argv[1]))
held = []


def connect(first=b""):
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.connect("sock")
    made.sendall(first)
    return made


held += [connect(struct.pack("!I", 2**21)) for _ in range(3)]
# The last of these is refused, and so are those before it beyond the bound: they come to their turns in this order.
held += [connect() for _ in range(300)]
assert held[-1].recv(1) == b""
print("full", flush=True)
ended = threading.Event()


def go_on():
    while not ended.wait(0.001):
        try:
            connect(struct.pack("!I", 2**21)).close()
        except OSError:
            pass


threading.Thread(target=go_on).start()
sys.stdin.read()
ended.set()
"""


def test_hubs_together_tell_of_the_fullest_host() -> None:
    hubs = [
        HubStatus("none", "1", 0, 0, used={"files": used}, room={"files": room})
        for used, room in ((10, 100), (90, 200), (20, 1000))
    ]
    found = together(hubs)
    assert (found.used, found.room) == ({"files": 90}, {"files": 200})
