"""A client of its own process: sends requests at the times that it was given, and says how long each took.

Open loop: a time is kept whether or not earlier answers are there, and what a request waits for a free connection
counts. Reads an `Order` (JSON) on standard input and writes an `SaverReport` on standard output.

Standard library for the sending: what the client takes from the processors is taken from the service.
"""

from __future__ import annotations

import http.client
import itertools
import ssl
import sys
import threading
import time

import msgspec


class TimedRequest(msgspec.Struct, frozen=True):
    """One request.

    Attributes:
        at_ns: monotonic time at which it is due; all processes of a machine share that clock.
        body: JSON, or empty.
    """

    at_ns: int
    method: str
    path: str
    token: str
    body: str = ""


class Order(msgspec.Struct, frozen=True):
    """What to send, in order of time, to whom, and over how many connections."""

    host: str
    port: int
    certificate: str
    connections: int
    requests: tuple[TimedRequest, ...]


class SaverReport(msgspec.Struct, frozen=True):
    """What became of it.

    Attributes:
        seconds: from when each request was due until it was answered.
        refused: how many were answered otherwise than with 200, or not at all.
        cpu_s: processor time of the client.
    """

    seconds: tuple[float, ...]
    refused: int
    cpu_s: float


def work(order: Order) -> SaverReport:
    """Sends what is ordered."""
    seconds: list[float] = []
    refused: list[int] = []
    numbers = itertools.count()
    context = ssl.create_default_context(cafile=order.certificate)
    before = time.process_time()

    def send() -> None:
        connection = http.client.HTTPSConnection(order.host, order.port, context=context, timeout=30.0)
        while (number := next(numbers)) < len(order.requests):
            request = order.requests[number]
            time.sleep(max(0.0, (request.at_ns - time.monotonic_ns()) / 1e9))
            headers = {"Authorization": f"Bearer {request.token}", "Content-Type": "application/json"}
            try:
                connection.request(request.method, request.path, request.body.encode() or None, headers)
                response = connection.getresponse()
                response.read()
                status = response.status
            except (OSError, http.client.HTTPException):
                connection.close()
                status = 0
            if status == http.client.OK:
                seconds.append((time.monotonic_ns() - request.at_ns) / 1e9)
            else:
                refused.append(status)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(order.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return SaverReport(tuple(seconds), len(refused), time.process_time() - before)


if __name__ == "__main__":
    done = work(msgspec.json.decode(sys.stdin.buffer.read(), type=Order))
    sys.stdout.buffer.write(msgspec.json.encode(done))
