"""A server of the hub's calls, and connections to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.hub.rpc.callers import WaitingCaller
from appliance.hub.rpc.messages import HubStatus, Status
from appliance.hub.rpc.server import Server
from tests.waiting import DEADLINE


@contextmanager
def served(
    folder: Path,
    web_uid: int | None = None,
    own_uid: int | None = None,
    shard: str | None = None,
    room_wait_s: float = DEADLINE,
    message_s: float = DEADLINE,
) -> Iterator[list[Any]]:
    """Serves on ``folder / "sock"``; gives the calls."""
    made: list[Any] = []

    def answer(call: Any, _: WaitingCaller) -> object:
        made.append(call)
        return HubStatus("none", "1", 0, 0) if isinstance(call, Status) else None

    serving = Server(
        folder / "sock",
        web_uid,
        answer,
        own_uid=own_uid,
        shard=shard,
        room_wait_s=room_wait_s,
        message_s=message_s,
    )
    thread = threading.Thread(target=serving.serve)
    thread.start()
    try:
        yield made
    finally:
        serving.close()
        thread.join()


def connected(path: Path) -> socket.socket:
    """Opens a connection, for which it waits while the listener's queue is full."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.connect(str(path))
    except BaseException:
        made.close()
        raise
    made.settimeout(DEADLINE)
    return made


def has_ended(connection: socket.socket) -> bool:
    """Tells whether the other side has closed a connection on which nothing was sent."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(DEADLINE)
