"""Program that sends requests at given times and reports how long each took.

It is an open-loop load generator: requests are due whether or not earlier ones are answered, and the wait for a free
connection counts. It reads an `Order` (JSON) from standard input and writes a `SaverReport` to standard output.

It sends with the standard library, because processor time of the client is taken from the service.
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
    """A request with the time at which it is due.

    Attributes:
        at_ns: monotonic time; all processes of a machine share that clock.
        body: JSON, or empty.
    """

    at_ns: int
    method: str
    path: str
    token: str
    body: str = ""


class Order(msgspec.Struct, frozen=True):
    """Requests in the order of their times.

    Attributes:
        host: address of the service.
        port: port of the service.
        certificate: path of the PEM file that the service's certificate is checked against.
        connections: number of connections.
        requests: requests in the order of their times.
    """

    host: str
    port: int
    certificate: str
    connections: int
    requests: tuple[TimedRequest, ...]


class SaverReport(msgspec.Struct, frozen=True):
    """Result of the requests.

    Attributes:
        seconds: for each request that was answered with 200, the time from when it was due until its answer.
        refused: number of other requests.
        cpu_s: processor time of the client.
    """

    seconds: tuple[float, ...]
    refused: int
    cpu_s: float


def send_all(order: Order) -> SaverReport:
    """Sends the requests of an order."""
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
    report = send_all(msgspec.json.decode(sys.stdin.buffer.read(), type=Order))
    sys.stdout.buffer.write(msgspec.json.encode(report))
