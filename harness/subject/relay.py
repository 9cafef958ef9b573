"""Relays of TCP connections and UDP datagrams between a sandbox's network and another."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_CHUNK = 64 * 1024
_LONGEST_DATAGRAM = 65535
_MOST_FLOWS = 4096
"""Sources of datagrams that one relay serves; a lab has some hundred."""

Connect = Callable[[], socket.socket]


class _Loop:
    """Event loop in a thread of its own, for as long as ``with`` lasts."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)

    def __enter__(self) -> Any:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        raise NotImplementedError

    async def _close(self) -> None:
        raise NotImplementedError


class StreamRelay(_Loop):
    """Relays TCP connections.

    Args:
        listener: socket that accepts connections; the relay closes it at its end.
        connect: opens the connection to the other side; may block.
    """

    def __init__(self, listener: socket.socket, connect: Connect) -> None:
        super().__init__("stream-relay")
        self._listener = listener
        self._connect = connect
        self._passing: set[asyncio.Task[None]] = set()

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._accepted, sock=self._listener)

    async def _close(self) -> None:
        self._server.close()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    def _accepted(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._pass_on(near, back))
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)

    async def _pass_on(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            made = await asyncio.to_thread(self._connect)
            far, forth = await asyncio.open_connection(sock=made)
        except OSError:
            back.close()
            return
        try:
            await asyncio.gather(_copy(near, forth), _copy(far, back))
        finally:
            back.close()
            forth.close()


class DatagramRelay(_Loop):
    """Relays UDP datagrams and their answers, with one outgoing socket per source.

    Args:
        near: bound socket that receives datagrams and sends answers; the relay closes it at its end.
        connect: makes the outgoing socket of a new source; must not block for long.
    """

    def __init__(self, near: socket.socket, connect: Connect) -> None:
        super().__init__("datagram-relay")
        self._near = near
        self._connect = connect
        self._far: dict[Any, socket.socket] = {}

    async def _open(self) -> None:
        self._near.setblocking(False)
        asyncio.get_running_loop().add_reader(self._near, self._forth)

    async def _close(self) -> None:
        loop = asyncio.get_running_loop()
        for each in (self._near, *self._far.values()):
            loop.remove_reader(each)
            each.close()

    def _forth(self) -> None:
        # Reads until the queue is empty. A datagram that can't be sent on is lost, as on any link.
        with suppress(BlockingIOError):
            while True:
                data, source = self._near.recvfrom(_LONGEST_DATAGRAM)
                far = self._far.get(source) or self._new(source)
                if far is not None:
                    with suppress(OSError):
                        far.send(data)

    def _new(self, source: Any) -> socket.socket | None:
        if len(self._far) >= _MOST_FLOWS:
            return None
        try:
            made = self._connect()
        except OSError:
            return None
        made.setblocking(False)
        self._far[source] = made
        asyncio.get_running_loop().add_reader(made, self._back, made, source)
        return made

    def _back(self, far: socket.socket, source: Any) -> None:
        # ConnectionRefusedError: nobody listens on the other side yet.
        with suppress(BlockingIOError, ConnectionRefusedError):
            while True:
                data = far.recv(_LONGEST_DATAGRAM)
                with suppress(OSError):
                    self._near.sendto(data, source)


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
    with suppress(OSError):
        sink.close()
