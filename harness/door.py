"""A way into a sandbox's network for the outside: a socket that listens there, and a relay that runs in here.

A socket stays in the network namespace that it was made in. So one that listens on the loopback of the machine is made
before the sandbox is entered, and handed through: whoever connects to it meets the relay.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass

_VARIABLE = "MESHWG_DOOR"
_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Door:
    """The two things of the outside that a lab knows.

    Attributes:
        listener: listens outside.
        starter: process id, outside, of a process that is in the sandbox's mount namespace.
    """

    listener: socket.socket
    starter: int

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, outside."""
        host, port = self.listener.getsockname()[:2]
        return str(host), int(port)

    def hand_over(self) -> None:
        """Lets the program find the door again that this process becomes."""
        self.listener.set_inheritable(True)
        os.environ[_VARIABLE] = f"{self.listener.fileno()}:{self.starter}"


def make(host: str, port: int) -> Door:
    """A door in the network that the caller is in; port 0 takes any free one. Raises OSError where it can't be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return Door(listener, os.getpid())


def find() -> Door | None:
    """The door that was handed over, if one was."""
    handed = os.environ.pop(_VARIABLE, None)
    if handed is None:
        return None
    descriptor, starter = map(int, handed.split(":"))
    listener = socket.socket(fileno=descriptor)
    # What the lab starts has no business with it.
    listener.set_inheritable(False)
    return Door(listener, starter)


class Relay:
    """Passes every connection on to an address in here, until ``with`` ends.

    Args:
        door: is closed with the relay.
        host, port: where to.
    """

    def __init__(self, door: Door, host: str, port: int) -> None:
        self._door = door
        self._target = (host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="door", daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        opened = asyncio.start_server(self._pass_on, sock=self._door.listener)
        self._server = asyncio.run_coroutine_threadsafe(opened, self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _pass_on(self, outside: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            inside, forth = await asyncio.open_connection(*self._target)
        except OSError:
            back.close()
            return
        await asyncio.gather(_copy(outside, forth), _copy(inside, back))


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()
    with suppress(OSError):
        target.close()
