"""Web server of a run's page. It answers GET alone, and a reader who is slow or many delays nobody but readers."""

from __future__ import annotations

import ipaddress
import json
import math
import os
import secrets
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from reports.addresses import in_brackets
from reports.events import page
from reports.events.board import Board, View

MOST_READERS = 16
"""Most readers that hear of changes at once."""

_MOST_CONNECTIONS = 2 * MOST_READERS
PAUSE_S = 0.5
"""Least time between two messages to a reader."""

_HEARTBEAT_S = 2.0
"""Longest time between two messages to a reader, which shows that a reader has left."""

_NICER = 10
"""Priority of threads that serve readers, below that of the run, so that the run goes first on a busy machine."""

_SCRIPT = Path(__file__).with_name("page.js").read_bytes()
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A transcript has its style sheet in itself.
_POLICY_OF_FILES = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_FILES = {
    "transcript.html": "text/html; charset=utf-8",
    "transcript.json": "application/json",
    "junit.xml": "text/xml; charset=utf-8",
}
_HTML, _TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"


class LivePage:
    """The page of a run, served while `with` lasts."""

    def __init__(
        self,
        listener: socket.socket,
        board: Board,
        *,
        names: tuple[str, ...] = (),
        replayed: bool = False,
        patience_s: float = 10.0,
    ) -> None:
        """Takes over a socket; nothing is answered yet.

        Args:
            listener: socket that listens; it is closed at the end.
            board: the run.
            names: names of this machine by which the page may be asked for, besides addresses and localhost.
            replayed: True for an old run.
            patience_s: longest time that a reader takes to ask, or to take in a part of an answer.
        """
        self.patience_s = patience_s
        self.board = board
        self.replayed = replayed
        # A page of an earlier server on the same port starts anew.
        self.token = secrets.token_hex(8)
        self.names = frozenset(name.lower().rstrip(".") for name in (*names, "localhost"))
        self.files: dict[str, Path] = {}
        self.last_read = -math.inf
        self.closing = threading.Event()
        self._made_at, self._made_of, self._made = -math.inf, View(), b""
        self._making = threading.Lock()
        self.readers = threading.BoundedSemaphore(MOST_READERS)
        self._server = _Server(self, listener)
        self._thread = threading.Thread(target=self._server.serve_forever, name="live-page", daemon=True)

    def __enter__(self) -> LivePage:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Address of the page."""
        host, port = self._server.socket.getsockname()[:2]
        return f"http://{in_brackets(host)}:{port}/"

    def whole(self) -> bytes:
        """Returns the whole page, made twice a second at most unless it has other rows or links."""
        with self._making:
            view, before = self.board.wait(-1, 0), self._made_of
            is_alike = (view.shape, view.files, view.is_over) == (before.shape, before.files, before.is_over)
            if not is_alike or time.monotonic() >= self._made_at + PAUSE_S:
                events = f"/events?board={self.token}&shape={view.shape}&since={view.change}"
                self._made = page.whole(view, events, replayed=self.replayed).encode()
                self._made_at, self._made_of = time.monotonic(), view
            return self._made

    def link(self, folder: Path) -> None:
        """Links the files of a run that has ended.

        Args:
            folder: folder of the run.
        """
        self.files = {name: folder / name for name in _FILES if (folder / name).is_file()}
        self.board.publish(*self.files)

    def is_read(self, quiet_s: float = 3 * _HEARTBEAT_S) -> bool:
        """Tells whether somebody looked at the page a moment ago.

        Args:
            quiet_s: seconds that are a moment.
        """
        return time.monotonic() < self.last_read + quiet_s

    def wait_for_readers(self, longest_s: float) -> None:
        """Waits while somebody looks at the page.

        Args:
            longest_s: longest time; seconds.
        """
        until = time.monotonic() + longest_s
        while time.monotonic() < until and self.is_read():
            time.sleep(0.1)


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, live: LivePage, listener: socket.socket) -> None:
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.live = live
        self._connections = threading.BoundedSemaphore(_MOST_CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _NICER)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A reader may leave at any moment.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "meshwg", ""
    error_message_format, error_content_type = "%(code)d %(message)s\n", _TEXT

    def setup(self) -> None:
        self.request.settimeout(self.server.live.patience_s)
        super().setup()

    def log_message(self, format: str, *args: object) -> None:
        del format, args

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        if self.command != "GET":
            self.send_error(405)
            return False
        if not self._is_for_us():
            # Another site's name can be made to lead here, so that its scripts read the page.
            self.send_error(421)
            return False
        return True

    def _is_for_us(self) -> bool:
        asked = self.headers.get("Host", "localhost")
        try:
            name = (urlsplit(f"//{asked}").hostname or "").rstrip(".")
            if name in self.server.live.names:
                return True
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def end_headers(self) -> None:
        for name, value in (
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        super().end_headers()

    def do_GET(self) -> None:
        live, asked = self.server.live, urlsplit(self.path)
        live.last_read = time.monotonic()
        name = asked.path.removeprefix("/")
        if name == "":
            self._answer(live.whole(), _HTML)
        elif name == "style.css":
            self._answer(page.style().encode(), "text/css; charset=utf-8")
        elif name == "page.js":
            self._answer(_SCRIPT, "text/javascript; charset=utf-8")
        elif name == "events":
            self._stream(parse_qs(asked.query))
        elif name in live.files:
            try:
                content = live.files[name].read_bytes()
            except OSError:
                self.send_error(404)
                return
            self._answer(content, _FILES[name], _POLICY_OF_FILES)
        else:
            self.send_error(404)

    def _answer(self, content: bytes, kind: str, policy: str = _POLICY) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, query: dict[str, list[str]]) -> None:
        live = self.server.live
        if not live.readers.acquire(blocking=False):
            self.send_error(503)
            return
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            if query.get("board") != [live.token]:
                self._tell("shape", None)
                return
            self._follow(_number(query, "shape"), _number(query, "since"))
        finally:
            live.readers.release()

    def _follow(self, shape: int, since: int) -> None:
        live, told_end = self.server.live, False
        while not live.closing.is_set():
            view = live.board.wait(since, _HEARTBEAT_S)
            if view.shape != shape:
                self._tell("shape", None)
                return
            if view.change > since:
                self._tell("rows", page.parts(view, since))
                since = view.change
            else:
                self._write(b":\n\n")
            live.last_read = time.monotonic()
            if view.is_over and not told_end:
                told_end = True
                self._tell("over", "The run has ended." if view.end else "There are no more events.")
            live.closing.wait(PAUSE_S)

    def _tell(self, kind: str, data: object) -> None:
        self._write(f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode())

    def _write(self, content: bytes) -> None:
        self.wfile.write(content)
        self.wfile.flush()


def _number(query: dict[str, list[str]], name: str) -> int:
    """Reads a number from a request; -1 for what is none."""
    (text, *_) = query.get(name, [""])
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else -1
