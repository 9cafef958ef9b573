"""The program that reads in a loop, against a server of the test."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.hostile import programs, reads
from harness.judging.verdicts import Inconclusive
from netlab import Process
from netlab.process import LocalProcess
from tests.harness.hostile.served import serving

BODY = b"x" * 300_000


@dataclass
class Served:
    """A service that answers all readers in the same way.

    Attributes:
        seen: number of requests by path.
        enough: set after many requests.
    """

    port: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    enough: threading.Event = field(default_factory=threading.Event)

    def answer(self, path: str, token: str) -> tuple[int, bytes]:
        self.seen[path] += 1
        if self.seen.total() >= 60:
            self.enough.set()
        return (429, b"") if self.seen.total() % 3 == 0 or token != "Bearer t" else (200, BODY)


@pytest.fixture
def served() -> Iterator[Served]:
    found = Served()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = found.answer(self.path, self.headers["Authorization"])
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as found.port:
        yield found


@dataclass(frozen=True)
class Starter:
    """Starts programs in the test's own network, in place of `Host.start_tool`."""

    folder: Path

    def __call__(self, source: Path, *arguments: str, log: str) -> Process:
        argv = (sys.executable, "-I", str(source), *arguments)
        path = self.folder / log
        with path.open("wb") as opened:
            popen = subprocess.Popen(argv, stdout=opened, stderr=subprocess.STDOUT, start_new_session=True)
        return LocalProcess(argv, popen, path)


def test_every_path_is_read_in_a_loop_whatever_the_answers(served: Served, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{served.port}"
    with reads.reading(Starter(tmp_path), url, "t", connections=6, paths=("/a", "/b")) as counts:
        assert counts.answers == {}
        assert served.enough.wait(30)
    assert set(served.seen) == {"/api/v1/a", "/api/v1/b"}
    assert counts.answers["200"] > counts.answers["429"] > 0
    assert counts.bytes >= counts.answers["200"] * len(BODY)


def test_each_attack_has_a_log_of_its_own(served: Served, tmp_path: Path) -> None:
    # Logs are appended to, and the attack is on when its log says so.
    for _ in range(2):
        with reads.reading(Starter(tmp_path), f"http://127.0.0.1:{served.port}", "t", connections=1):
            pass
    assert len(list(tmp_path.iterdir())) == 2


def test_a_service_that_is_not_there_is_inconclusive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "READY_S", 0.5)
    with pytest.raises(Inconclusive), reads.reading(Starter(tmp_path), "http://127.0.0.1:9", "t"):
        pass


def test_rules_of_a_long_policy_are_all_different() -> None:
    rules = reads.many_rules(20_000)
    assert len({(each["protocol"], each["ports"]) for each in rules}) == 20_000
