"""The program that sends requests from many addresses, against a server of the test."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.hostile import programs, strangers
from harness.hostile.crowd import LARGE, addresses_of
from harness.judging.verdicts import Inconclusive
from tests.harness.hostile.served import serving
from tests.harness.hostile.test_reads import Starter


@dataclass
class Served:
    """A service that answers ten requests and refuses all later ones.

    Attributes:
        seen: address, path and body of each request.
        tokens: what each request authenticates by.
    """

    port: int = 0
    seen: list[tuple[str, str, Any]] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    lengths: list[int] = field(default_factory=list)
    enough: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def served() -> Iterator[Served]:
    found = Served()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.tokens.add(self.headers.get("Authorization"))
            found.seen.append((self.headers.get("X-Forwarded-For", ""), self.path, body))
            if len(found.seen) > 20:
                found.enough.set()
            self.answer(401 if len(found.seen) <= 10 else 429)

        def do_PUT(self) -> None:
            found.lengths.append(int(self.headers["Content-Length"]))
            # A third request on two connections means that one was answered.
            if len(found.lengths) > 2:
                found.enough.set()
            self.close_connection = True
            self.answer(401)

        def answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "2")
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"{}")

    with serving(Handler) as found.port:
        yield found


def test_a_crowd_with_a_count_is_waited_for(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "LONGEST_S", 30.0)
    url = f"http://127.0.0.1:{served.port}"
    start = Starter(tmp_path)
    with strangers.sending(start, url, "log-ins", network="2001:db8:5::/48", count=30, connections=3) as answers:
        pass
    assert answers.answers == {"401": 10, "429": 20}
    assert answers.not_refused == 10
    assert len({address for address, _, _ in served.seen}) == 30
    assert len({body["email"] for _, _, body in served.seen}) == 30
    assert {path for _, path, _ in served.seen} == {"/api/v1/sessions"}
    assert served.tokens == {None}


def test_calls_of_a_member_carry_the_token(served: Served, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{served.port}"
    for kind in ("invalid machines", "invalid rules"):
        with strangers.sending(Starter(tmp_path), url, kind, token="mwt_x", count=2, connections=1):
            pass
    assert [path for _, path, _ in served.seen] == ["/api/v1/machines"] * 2 + ["/api/v1/policy/rules"] * 2
    assert served.tokens == {"Bearer mwt_x"}


def test_a_crowd_without_a_count_ends_with_the_block(served: Served, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{served.port}"
    with strangers.sending(Starter(tmp_path), url, "sign-ups") as answers:
        assert served.enough.wait(20)
    assert answers.answers["429"] > 0
    assert {address for address, _, _ in served.seen} == {""}


def test_bodies_are_announced_and_not_sent(served: Served, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{served.port}"
    with strangers.sending(Starter(tmp_path), url, "bodies", connections=2) as answers:
        assert served.enough.wait(20)
    assert set(served.lengths) == {LARGE}
    assert answers.answers["401"] >= 1


def test_a_crowd_that_is_never_answered_is_inconclusive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "READY_S", 0.5)
    with (
        pytest.raises(Inconclusive, match="not answered"),
        strangers.sending(Starter(tmp_path), "http://127.0.0.1:1", "resets"),
    ):
        pass


def test_addresses_are_spread_over_the_network() -> None:
    far = addresses_of("2001:db8:5::/48")
    assert [next(far), next(far)] == ["2001:db8:5::1", "2001:db8:5:1::1"]
    near = addresses_of("203.0.113.0/31")
    assert [next(near), next(near), next(near)] == ["203.0.113.0", "203.0.113.1", "203.0.113.0"]
    assert next(addresses_of(None)) is None
