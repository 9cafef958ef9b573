"""A server like the service's, with short limits and an application that answers with the received request.

Run as a program: port.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from appliance.web import connections, refusals
from appliance.web.connections import ConnectionLimits
from appliance.web.gateway import Gateway
from appliance.web.limits import RateLimits
from appliance.web.request import REFUSED
from appliance.web.server import make_server
from appliance.web.tls import self_signed

MOST_OF_ONE_ADDRESS = 20
HEAD_SECONDS = 1.0
BODY_SECONDS = 1.0
UNREAD_SECONDS = 1.0
THREADS = 2


def echo(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Answers with the received request."""
    refusal = environ.get(REFUSED)
    start(f"{refusals.status_of(type(refusal)) if refusal else 200} x", [("Content-Type", "application/json")])
    told = {
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"],
        "query": environ["QUERY_STRING"],
        "address": environ["REMOTE_ADDR"],
        "headers": {name: value for name, value in environ.items() if name.startswith(("HTTP_", "CONTENT_"))},
        "body": environ["wsgi.input"].read().decode("latin-1"),
    }
    return [json.dumps(told).encode()]


def serve(port: int) -> None:
    """Serves until killed."""
    multiprocessing.set_start_method("fork")

    def load(_: str) -> Any:
        connections.allow_many()
        bounds = ConnectionLimits(of_one=MOST_OF_ONE_ADDRESS)
        arguments = (port, (), threading.Event(), partial(RateLimits().note, "connections"), bounds, UNREAD_SECONDS)
        threading.Thread(target=connections.watch, args=arguments, daemon=True).start()
        return Gateway(echo, threads=THREADS, patience=BODY_SECONDS)

    make_server("127.0.0.1", port, self_signed(["127.0.0.1"]), HEAD_SECONDS).serve(target_loader=load)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
