"""A few connections that save again and again, as fast as answers come.

A program for a host of a lab; it needs the standard library only. Its argument is a JSON object with ``host``,
``port``, ``token``, ``requests``, ``connections``, ``seconds`` and ``certificate``. ``requests`` is the path of a file
with a JSON list of ``[method, path, body]``, which each connection goes through again and again; in a body,
``{number}`` is another number each time. With the first answer it prints `READY`, and at the end a JSON object:
``answers`` by status, ``bytes`` of their bodies, and ``slowest_s``.
"""

from __future__ import annotations

import http.client
import itertools
import json
import signal
import ssl
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

READY = "saving"
_TIMEOUT_S = 120.0


class Savers:
    """Connections of one organization.

    Args:
        wish: as on the command line.
    """

    def __init__(self, wish: dict[str, object]) -> None:
        self._wish = wish
        self._requests = json.loads(Path(str(wish["requests"])).read_text())
        self._numbers = itertools.count()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._answers: Counter[str] = Counter()
        self._bytes = 0
        self._slowest_s = 0.0

    def end(self, *_: object) -> None:
        """Begins no further request."""
        self._over.set()

    def save_on(self) -> None:
        """One connection, opened anew whenever the service ends it, until `end`."""
        connection: http.client.HTTPConnection | None = None
        for method, path, body in itertools.cycle(self._requests):
            if self._over.is_set():
                break
            connection = connection or self._connected()
            text = body.replace("{number}", str(next(self._numbers)))
            headers = {"Authorization": f"Bearer {self._wish['token']}", "Content-Type": "application/json"}
            began = time.monotonic()
            try:
                connection.request(method, path, text.encode() or None, headers)
                response = connection.getresponse()
                length, status = len(response.read()), str(response.status)
            except (OSError, http.client.HTTPException):
                connection.close()
                connection, length, status = None, 0, "broken"
                self._over.wait(0.05)
            self._note(status, length, time.monotonic() - began)

    def text(self) -> str:
        """What came back, as the program prints it."""
        with self._lock:
            return json.dumps(
                {"answers": dict(self._answers), "bytes": self._bytes, "slowest_s": round(self._slowest_s, 3)}
            )

    def _note(self, status: str, length: int, seconds: float) -> None:
        with self._lock:
            if not self._answers:
                print(READY, flush=True)
            self._answers[status] += 1
            self._bytes += length
            self._slowest_s = max(self._slowest_s, seconds)

    def _connected(self) -> http.client.HTTPConnection:
        host, port = str(self._wish["host"]), int(str(self._wish["port"]))
        certificate = self._wish["certificate"]
        if certificate is None:
            return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
        tls = ssl.create_default_context(cafile=str(certificate))
        return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=tls)


def main(wish: dict[str, object]) -> None:
    """Saves until the time is over, or somebody ends it with SIGTERM."""
    savers = Savers(wish)
    signal.signal(signal.SIGTERM, savers.end)
    threads = [threading.Thread(target=savers.save_on, daemon=True) for _ in range(int(str(wish["connections"])))]
    for thread in threads:
        thread.start()
    with suppress(KeyboardInterrupt):
        savers._over.wait(float(str(wish["seconds"])))
    savers.end()
    for thread in threads:
        # What the service still works on is not waited for: it may take long.
        thread.join(2.0)
    print(savers.text(), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
