"""Server of the live page: what it answers, and readers that are slow, many, hostile, or leave."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from reports.addresses import listen
from reports.events import page, server
from reports.events.board import Board
from reports.events.server import LivePage
from tests.reports.events.samples import PROVEN, RUN, RUNS
from tests.waiting import DEADLINE, wait_until

HOST = "127.0.0.1"


@pytest.fixture
def live() -> Iterator[LivePage]:
    """Provides the page of a run that has just begun."""
    board = Board()
    for event in RUN[:4]:
        board.apply(event)
    with LivePage(listen(HOST, 0), board, names=("gate.example.net",), patience_s=DEADLINE) as page:
        yield page


def port_of(live: LivePage) -> int:
    return int(live.url.rstrip("/").rpartition(":")[2])


def connect(live: LivePage) -> socket.socket:
    return socket.create_connection((HOST, port_of(live)), timeout=DEADLINE)


def asked(live: LivePage, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    """Asks for a page; returns status, headers and body."""
    connection = http.client.HTTPConnection(HOST, port_of(live), timeout=DEADLINE)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


class Reader:
    """A reader that hears of changes."""

    def __init__(self, live: LivePage, path: str) -> None:
        self.connection = http.client.HTTPConnection(HOST, port_of(live), timeout=DEADLINE)
        self.connection.request("GET", path)
        self.answer = self.connection.getresponse()

    def next(self) -> tuple[str, object]:
        """Waits for a message; returns its kind and data."""
        kind = ""
        while line := self.answer.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            if name == "data":
                self.answer.readline()
                return kind, json.loads(value)
        return (kind, None) if self.answer.isclosed() else self.next()

    def close(self) -> None:
        self.answer.close()
        self.connection.close()


def events_of(live: LivePage) -> str:
    """Returns the address that the page names for changes."""
    _, _, body = asked(live)
    return body.partition('data-events="')[2].partition('"')[0].replace("&amp;", "&")


def test_the_page_and_its_parts_have_a_strict_policy(live: LivePage) -> None:
    for path, kind in (("/", "text/html"), ("/style.css", "text/css"), ("/page.js", "text/javascript")):
        status, headers, body = asked(live, path)
        assert (status, headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self';")
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert body


@pytest.mark.parametrize("path", ["/nothing", "/transcript.html", "/../server.py", "/%2e%2e/server.py", "/signing.pub"])
def test_there_is_nothing_else(live: LivePage, path: str) -> None:
    assert asked(live, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TEA"])
def test_nothing_but_get_is_answered(live: LivePage, method: str) -> None:
    assert asked(live, "/", method)[0] == 405


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8799", 200),
        ("127.0.0.1", 200),
        ("[::1]:80", 200),
        ("gate.example.net", 200),
        ("GATE.example.net.:8", 200),
        ("evil.example.org", 421),
        ("127.0.0.1.evil.example.org", 421),
        ("[", 421),
        ("", 421),
    ],
)
def test_another_site_s_name_does_not_lead_here(live: LivePage, host: str, status: int) -> None:
    assert asked(live, Host=host)[0] == status


def test_a_reader_hears_what_changed_until_the_end(live: LivePage) -> None:
    reader = Reader(live, events_of(live))
    live.board.apply(PROVEN)
    kind, parts = reader.next()
    assert kind == "rows"
    assert isinstance(parts, dict)
    assert ">proven</span>" in parts["s0"]
    for event in RUN[4:]:
        live.board.apply(event)
    kinds = []
    while "over" not in kinds:
        kinds.append(reader.next()[0])
    assert kinds[-2:] == ["rows", "over"]
    reader.close()


def test_a_page_with_other_rows_or_of_another_server_starts_anew(live: LivePage) -> None:
    path = events_of(live)
    for stale in ("/events", path.replace(live.token, "0"), path.replace("shape=", "shape=9")):
        assert Reader(live, stale).next() == ("shape", None)
    reader = Reader(live, path)
    live.board.apply(type(RUNS)(claim="live-change", scenario="test_new"))
    assert reader.next() == ("shape", None)


def test_the_page_links_the_files_of_its_run(live: LivePage, tmp_path: Path) -> None:
    for name in ("transcript.html", "junit.xml", "signing.pub"):
        (tmp_path / name).write_text(f"<p>{name}</p>")
    for event in RUN[4:]:
        live.board.apply(event)
    live.link(tmp_path)
    assert '<a href="/transcript.html">' in asked(live)[2]
    status, headers, body = asked(live, "/transcript.html")
    assert (status, body) == (200, "<p>transcript.html</p>")
    assert "script" not in headers["Content-Security-Policy"]
    assert asked(live, "/junit.xml")[0] == 200
    assert asked(live, "/signing.pub")[0] == 404
    (tmp_path / "junit.xml").unlink()
    assert asked(live, "/junit.xml")[0] == 404


def test_readers_are_bounded_and_their_places_come_free(live: LivePage) -> None:
    path = events_of(live)
    readers = [Reader(live, path) for _ in range(server.MOST_READERS)]
    assert {each.answer.status for each in readers} == {200}
    assert asked(live, path)[0] == 503
    # The page itself is there for more.
    assert asked(live)[0] == 200
    readers[0].close()
    live.board.apply(PROVEN)
    wait_until(lambda: _is_served(live, path))
    for each in readers:
        each.close()


def _is_served(live: LivePage, path: str) -> bool:
    reader = Reader(live, path)
    reader.close()
    return reader.answer.status == 200


def test_connections_that_ask_nothing_are_bounded(live: LivePage) -> None:
    with ExitStack() as stack:
        for _ in range(2 * server.MOST_READERS):
            stack.enter_context(connect(live))
        with pytest.raises(OSError):  # noqa: PT011 - closed without an answer, sooner or later
            asked(live)
    wait_until(lambda: _is_answered(live))


def _is_answered(live: LivePage) -> bool:
    try:
        return asked(live)[0] == 200
    except OSError:
        return False


def test_a_connection_that_asks_nothing_is_closed() -> None:
    with LivePage(listen(HOST, 0), Board(), patience_s=0.05) as page, connect(page) as idle:
        assert idle.recv(1) == b""


def test_readers_that_read_nothing_delay_no_event(live: LivePage) -> None:
    path = events_of(live)
    with ExitStack() as stack:
        for _ in range(8):
            deaf = stack.enter_context(connect(live))
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            deaf.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        reader = Reader(live, path)
        applied = threading.Event()

        def apply_many() -> None:
            for _ in range(2000):
                live.board.apply(PROVEN)
            applied.set()

        threading.Thread(target=apply_many).start()
        assert applied.wait(DEADLINE)
        assert reader.next()[0] == "rows"
        reader.close()


def test_however_many_ask_the_page_is_made_twice_a_second(live: LivePage, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[float] = []

    def whole(*_: object, **__: object) -> str:
        made.append(time.monotonic())
        return "a page"

    monkeypatch.setattr(page, "whole", whole)
    for _ in range(50):
        assert asked(live)[2] == "a page"
    assert all(after - before >= server.PAUSE_S for before, after in pairwise(made))
    assert len(made) < 50
    # Other rows are shown at once, so that a page that loads itself again for them has them.
    count = len(made)
    live.board.apply(replace(RUNS, scenario="test_new"))
    asked(live)
    assert len(made) == count + 1


def test_readers_are_served_after_the_run(live: LivePage) -> None:
    reader = Reader(live, events_of(live))
    serving = [each.native_id for each in threading.enumerate() if "process_request_thread" in each.name]
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert serving
    assert {os.getpriority(os.PRIO_PROCESS, each or 0) for each in serving} == {min(own + 10, 19)}
    reader.close()


def test_a_reader_that_leaves_takes_nothing_along(live: LivePage, capfd: pytest.CaptureFixture[str]) -> None:
    path = events_of(live)
    for _ in range(5):
        with connect(live) as leaving:
            leaving.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        live.board.apply(PROVEN)
    with connect(live) as broken:
        broken.sendall(b"\x16\x03\x01 not HTTP\r\n\r\n")
    assert Reader(live, path).next()[0] == "rows"
    assert capfd.readouterr().err == ""


def test_the_end_waits_for_those_who_look_and_for_nobody_else(live: LivePage) -> None:
    assert not live.is_read()
    live.wait_for_readers(DEADLINE)
    asked(live)
    assert live.is_read()
    live.wait_for_readers(0)
    assert not live.is_read(quiet_s=0)
