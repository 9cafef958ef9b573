"""A user of locust does as a customer would."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.burst import load, messages
from harness.burst.load import Load
from harness.burst.messages import Assignment, MessageStream, Onboarded, OnboardingFailed
from harness.subject.service import Service

SIGNED_UP = {"token": "t", "organization": {"id": "abc", "hub_public_key": "key"}}
ASSIGNMENT = Assignment("someone@example.net", "correct horse battery", "customer", [], keep=True)


class Answers(ThreadingHTTPServer):
    """A service that has too much to do for so many sign-ups, and then has time."""

    def __init__(self, refusals: int, retry_after: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.left, self.retry_after = refusals, retry_after


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        service = cast("Answers", self.server)
        self.rfile.read(int(self.headers["Content-Length"]))
        is_refused = service.left > 0
        service.left -= 1
        body = json.dumps({"detail": "Try again."} if is_refused else SIGNED_UP).encode()
        self.send_response(429 if is_refused else 201)
        if is_refused:
            self.send_header("Retry-After", service.retry_after)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


def outcome(tmp_path: Path, answers: Answers) -> Onboarded | OnboardingFailed:
    """Returns what the one user of a burst tells its coordinator."""
    threading.Thread(target=answers.serve_forever, daemon=True).start()
    service = SimpleNamespace(url=f"http://127.0.0.1:{answers.server_port}", certificate=tmp_path / "none")
    path = tmp_path / "coordinator"
    with socket.socket(socket.AF_UNIX) as listener, answers:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(60)
        with load.running(Load(1), cast("Service", service), path, tmp_path / "log"):
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb") as file:
                stream = MessageStream(file, file)
                stream.send(ASSIGNMENT)
                told: Onboarded | OnboardingFailed = stream.receive(messages.ONBOARDED)
        answers.shutdown()
        return told


@pytest.mark.long
def test_a_user_tries_again_when_it_was_told_to(tmp_path: Path) -> None:
    told = outcome(tmp_path, Answers(2, "1"))
    assert isinstance(told, Onboarded)
    assert told.waits == 2


@pytest.mark.long
def test_a_user_does_not_wait_without_end(tmp_path: Path) -> None:
    told = outcome(tmp_path, Answers(1, "3600"))
    assert isinstance(told, OnboardingFailed)
    assert told.error == "POST /signup was answered 429: Try again."
