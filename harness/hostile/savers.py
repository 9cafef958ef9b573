"""Program that sends changes in a loop over a few connections. It needs the standard library only.

The argument is a JSON object with ``host``, ``port``, ``token``, ``requests``, ``connections``, ``seconds`` and
``certificate``. ``requests`` is the path of a file with a JSON list of ``[method, path, body]``, which each connection
sends over and over; ``{number}`` in a body is replaced by a new number each time. After the first answer the program
prints `READY`, and at its end a JSON object: ``answers`` by status, and ``bytes`` of their bodies.
"""

from __future__ import annotations

import http.client
import itertools
import json
import signal
import ssl
import sys
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

READY = "saving"
_TIMEOUT_S = 120.0


class Savers:
    """Connections of one organization.

    Args:
        options: argument of the program.
    """

    def __init__(self, options: dict[str, object]) -> None:
        self._options = options
        self._requests = json.loads(Path(str(options["requests"])).read_text())
        self._numbers = itertools.count()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._answers: Counter[str] = Counter()
        self._bytes = 0

    def end(self, *_: object) -> None:
        """Makes every connection end after its present request."""
        self._over.set()

    def wait(self, seconds: float) -> None:
        """Waits until `end` was called, at most so long."""
        self._over.wait(seconds)

    def run_connection(self) -> None:
        """Sends requests one after another until `end`. Reconnects whenever the service closes the connection."""
        connection: http.client.HTTPConnection | None = None
        for method, path, body in itertools.cycle(self._requests):
            if self._over.is_set():
                break
            connection = connection or self._connected()
            text = body.replace("{number}", str(next(self._numbers)))
            headers = {"Authorization": f"Bearer {self._options['token']}", "Content-Type": "application/json"}
            try:
                connection.request(method, path, text.encode() or None, headers)
                response = connection.getresponse()
                length, status = len(response.read()), str(response.status)
            except (OSError, http.client.HTTPException):
                connection.close()
                connection, length, status = None, 0, "broken"
                self._over.wait(0.05)
            self._note(status, length)

    def text(self) -> str:
        """Returns the result as the program prints it."""
        with self._lock:
            return json.dumps({"answers": dict(self._answers), "bytes": self._bytes})

    def _note(self, status: str, length: int) -> None:
        with self._lock:
            if not self._answers:
                print(READY, flush=True)
            self._answers[status] += 1
            self._bytes += length

    def _connected(self) -> http.client.HTTPConnection:
        host, port = str(self._options["host"]), int(str(self._options["port"]))
        certificate = self._options["certificate"]
        if certificate is None:
            return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
        tls = ssl.create_default_context(cafile=str(certificate))
        return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=tls)


def main(options: dict[str, object]) -> None:
    """Sends requests until the time is over or SIGTERM arrives."""
    savers = Savers(options)
    signal.signal(signal.SIGTERM, savers.end)
    threads = [
        threading.Thread(target=savers.run_connection, daemon=True) for _ in range(int(str(options["connections"])))
    ]
    for thread in threads:
        thread.start()
    with suppress(KeyboardInterrupt):
        savers.wait(float(str(options["seconds"])))
    savers.end()
    for thread in threads:
        # Requests that the service still works on may take long, and are not waited for.
        thread.join(2.0)
    print(savers.text(), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
