"""Slow, numerous or malformed clients leave the others served."""

from __future__ import annotations

import resource
import select
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from appliance.web.gateway import LARGEST_BODY
from tests.appliance.web.serving import MOST_OF_ONE_ADDRESS, THREADS
from tests.appliance.web.wire import Served, everything, statuses

HEAD = b"POST /x HTTP/1.1\r\nHost: h\r\n"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, "-m", "tests.appliance.web.serving", str(port)]) as program:
        found = Served(port)
        while program.poll() is None:
            with suppress(OSError):
                if found.answers():
                    break
        yield found
        program.terminate()


@pytest.fixture(scope="module", autouse=True)
def without_handshake(served: Served) -> Iterator[socket.socket]:
    """Opens a connection before all tests, since the server's patience with it is ten seconds, and no setting."""
    with served.tcp() as connection:
        yield connection


@pytest.mark.long
def test_the_worker_loads_no_part_of_the_server_late() -> None:
    """Lists late imports of the worker, which may not be able to read code any more."""
    look = (
        "import inspect, re, sys, appliance.web.process\n"
        "from granian.server import Server\n"
        "named = set(re.findall(r'from (granian[.]\\w+) import', inspect.getsource(inspect.getmodule(Server))))\n"
        "assert named and named <= set(sys.modules), named - set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", look], check=True)


def processes_of(port: int) -> list[int]:
    """Lists the processes of the server on this port: they are forks of one, with the same command line."""
    words = ["tests.appliance.web.serving", str(port)]
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if each.read_text().rstrip("\0").split("\0")[-2:] == words:
                found.append(int(each.parent.name))
    return found


def test_a_failed_accept_doesn_t_stop_the_server(served: Served) -> None:
    """Uses up all descriptors, so that accept(2) fails with EMFILE, and frees one: connections are accepted again."""
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in processes_of(served.port)}
    assert limits
    for pid, (_, most) in limits.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, most))
    try:
        with pytest.raises(TimeoutError), socket.create_connection(("127.0.0.1", served.port), 0.5) as connection:
            ssl.create_default_context().wrap_socket(connection, server_hostname="127.0.0.1")
    finally:
        for pid, limit in limits.items():
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
    for _ in range(3):
        assert served.answers()


def test_a_silent_client_is_disconnected(served: Served) -> None:
    with served.tls() as connection:
        assert everything(connection) == b""


def test_a_slow_request_head_is_disconnected(served: Served) -> None:
    with served.tls() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        while not select.select([connection], [], [], 0.1)[0]:
            connection.sendall(b"x")
        assert statuses(everything(connection)) in ([], [408])


def test_slow_bodies_hold_no_thread(served: Served) -> None:
    with ExitStack() as opened:
        slow = [opened.enter_context(served.tls()) for _ in range(4 * THREADS)]
        for each in slow:
            each.sendall(HEAD + b"Content-Length: 100\r\n\r\nx")
        assert served.answers()
        for each in slow:
            answer = everything(each)
            assert statuses(answer) == [408]
            assert b"connection: close" in answer.lower()


def test_a_body_that_is_too_long_is_refused_unread(served: Served) -> None:
    answer = served.ask(HEAD + b"Content-Length: %d\r\n\r\n" % (LARGEST_BODY + 1))
    assert statuses(answer) == [413]


def test_a_body_of_unknown_length_is_refused(served: Served) -> None:
    answer = served.ask(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
    assert statuses(answer) == [411]


def test_the_largest_body_arrives(served: Served) -> None:
    answer = served.ask(HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % LARGEST_BODY + b"x" * LARGEST_BODY)
    assert statuses(answer) == [200]
    assert len(answer) > LARGEST_BODY


def test_concurrent_large_bodies_are_bounded(served: Served) -> None:
    with ExitStack() as opened:
        large = [opened.enter_context(served.tls()) for _ in range(8)]
        for each in large:
            each.sendall(HEAD + b"Content-Length: 70000\r\n\r\n")
        answers = [statuses(everything(each)) for each in large]
        assert sorted(answers) == [[408]] * 4 + [[429]] * 4
    assert served.answers()


@pytest.mark.long
def test_a_client_that_reads_no_answer_is_disconnected(served: Served) -> None:
    with served.tls() as connection:
        # Told again, each of these bytes is six: more than the kernel's buffers hold.
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % LARGEST_BODY + b"\0" * LARGEST_BODY)
        # The kernel says nothing when it gives up; who sends to what is gone is told so.
        with suppress(ConnectionError, ssl.SSLError):
            while not select.select([], [], [], 0.1)[0]:
                connection.sendall(b"x")
    assert served.answers()


@pytest.mark.parametrize(
    "head",
    [b"X-Large: " + b"x" * 200_000 + b"\r\n", b"".join(b"X-%d: y\r\n" % number for number in range(5000))],
    ids=["one", "many"],
)
def test_a_huge_head_is_refused(served: Served, head: bytes) -> None:
    assert statuses(served.ask(b"GET / HTTP/1.1\r\nHost: h\r\n" + head + b"\r\n")) in ([431], [])
    assert served.answers()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: h\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\na b: c\r\n\r\n", 400),
        (HEAD + b"Content-Length: -4\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 400),
        (b"GET /" + b"a" * 2**16 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(101)) + b"\r\n", 431),
    ],
    ids=["nonsense", "version", "bytes", "name", "length", "coding", "path", "headers"],
)
def test_an_unreadable_head_gets_an_answer_without_a_body(served: Served, request_: bytes, status: int) -> None:
    """Checks the server's own answers, which docs/operating.md describes."""
    head, _, body = served.ask(request_).partition(b"\r\n\r\n")
    assert statuses(head) == [status]
    assert b"connection: close" in head.lower()
    assert body == b""


@pytest.mark.parametrize(
    "request_",
    [
        HEAD + b"If-Match: \xfc\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ],
    ids=["bytes", "no-host", "two-hosts"],
)
def test_an_incomplete_head_gets_the_application_s_answer(served: Served, request_: bytes) -> None:
    head, _, body = served.ask(request_).partition(b"\r\n\r\n")
    assert statuses(head) == [400]
    assert b"connection: close" in head.lower()
    assert body != b""


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        HEAD + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b"Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n\r\n" + SMUGGLED,
        HEAD + b"Transfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n" + SMUGGLED,
        HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b"Content-Length: 4\r\nContent-Length: 40\r\n\r\nabcd" + SMUGGLED,
        HEAD + b"Content-Length: 4, 40\r\n\r\nabcd" + SMUGGLED,
        HEAD + b"Content-Length: +4\r\n\r\nabcd" + SMUGGLED,
        HEAD + b"Content-Length: -4\r\n\r\nabcd" + SMUGGLED,
        HEAD + b"Content-Length: 0x4\r\n\r\nabcd" + SMUGGLED,
        HEAD + b" Content-Length: 4\r\n\r\nabcd" + SMUGGLED,
        HEAD + b"X-Folded: a\r\n Content-Length: 4\r\n\r\n" + SMUGGLED,
        HEAD + b"X-Bare: a\rContent-Length: 4\r\n\r\n" + SMUGGLED,
        HEAD + b"X-Nul: a\0b\r\n\r\n" + SMUGGLED,
        b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n" + SMUGGLED,
        b"GET / HTTP/9.9\r\nHost: h\r\n\r\n" + SMUGGLED,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED,
    ],
)
def test_ambiguous_requests_are_refused(served: Served, request_: bytes) -> None:
    """Sends a second request behind an ambiguous one, which a proxy might take for its body: it is never answered."""
    answer = served.ask(request_)
    assert b"/smuggled" not in answer
    assert all(status >= 400 for status in statuses(answer)), answer
    assert len(statuses(answer)) <= 1


def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    body = HEAD + b"Content-Length: 4\r\n\r\nabcd"
    answer = served.ask(body + SMUGGLED + b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert statuses(answer) == [200, 200, 200]
    assert answer.index(b"abcd") < answer.index(b"/smuggled") < answer.index(b"/last")


def test_a_client_without_a_tls_handshake_is_disconnected(without_handshake: socket.socket) -> None:
    """Comes late in this module: the server's patience ends while other tests run."""
    assert everything(without_handshake) == b""


def test_the_connections_of_one_address_are_bounded(served: Served) -> None:
    with ExitStack() as opened:
        crowd = [opened.enter_context(served.tcp()) for _ in range(3 * MOST_OF_ONE_ADDRESS)]
        ended = 0
        while ended < 2 * MOST_OF_ONE_ADDRESS:
            for each in select.select(crowd, [], [])[0]:
                assert everything(each) == b""
                crowd.remove(each)
                ended += 1
        assert served.answers()
