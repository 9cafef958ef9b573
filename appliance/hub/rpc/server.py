"""Server of the hub's unix socket: one thread for each connection of a user who may call."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import structlog

from appliance import files
from appliance.few_lines import FewLines
from appliance.hub.errors import Crowded, HubError, NotHere, Overtaken, RulesTooLarge
from appliance.hub.rpc import codec, messages
from appliance.hub.rpc.callers import WaitingCaller
from appliance.model.errors import Refused

log = structlog.get_logger()

Handler = Callable[[Any, WaitingCaller], object]

# unix(7), SO_PEERCRED: pid, uid, gid.
_CREDENTIALS = struct.Struct("3i")
_PAUSE_S = 0.1
_MOST_CONNECTIONS = 256
"""Several times the number of the web process's threads; each connection takes a thread here."""
_OWN_CONNECTIONS = 16
"""Connections among them for the hub's own user alone, whose commands have to get through whatever others hold."""

_LARGE = 2**20
_MOST_LARGE = 3
"""Most messages above `_LARGE` bytes that are processed at a time, which bounds the memory they take."""

_LINES = 30
"""Most log lines about callers in a minute, and about faults."""


class Server:
    """Answers calls on a unix socket until it is closed.

    Args:
        path: path of the socket; a file there is replaced.
        web_uid: user of the web process, who owns the socket and may call too; None if only the hub's own user may.
        handler: takes a call and its caller, and returns the answer or raises `HubError`.
        gone: called after the end of each connection.
        own_uid: user for whom `messages.RESERVED` calls and some of the connections are; None for the user of this
            process.
        shard: id of the shard whose hub this is; None where there is one hub.
        room_wait_s: longest wait of a large message for others to be done; its caller has left by then.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        path: Path,
        web_uid: int | None,
        handler: Handler,
        gone: Callable[[], None] = lambda: None,
        own_uid: int | None = None,
        shard: str | None = None,
        room_wait_s: float = messages.TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._handler = handler
        self._gone = gone
        self._shard = shard
        self._own_uid = os.getuid() if own_uid is None else own_uid
        self._callers = frozenset({self._own_uid} if web_uid is None else {self._own_uid, web_uid})
        self._closed = threading.Event()
        self._connections = threading.Semaphore(_MOST_CONNECTIONS - _OWN_CONNECTIONS)
        self._own_connections = threading.Semaphore(_OWN_CONNECTIONS)
        self._lines = FewLines(_LINES)
        self._lines_of_faults = FewLines(_LINES)
        self._lines_of_strangers = FewLines(1)
        self._room = threading.Semaphore(_MOST_LARGE)
        self._room_wait_s = room_wait_s
        self._clock = clock
        files.make_passable(path.parent)
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        # Nobody else gets as far as to be refused by credentials; root needs no mode.
        path.chmod(0o600)
        if web_uid is not None and web_uid != os.getuid():
            os.chown(path, web_uid, -1)
        self._listener.listen(128)

    def serve(self) -> None:
        """Accept connections until `close`."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if self._closed.is_set():
                    return
                # The caller is gone already, or no descriptor is left (accept(2)); later calls may succeed.
                self._lines.write(log.error, "a call could not be accepted", error=str(error))
                self._closed.wait(_PAUSE_S)
                continue
            uid = _uid_of(connection)
            if uid not in self._callers:
                self._lines_of_strangers.write(log.warning, "a call by a stranger was turned away", uid=uid)
                connection.close()
                continue
            place = self._place(uid)
            if place is None:
                self._lines.write(log.error, "a caller was turned away: there are too many connections", uid=uid)
                connection.close()
                continue
            threading.Thread(target=self._serve, args=(connection, uid, place), name="hub-call", daemon=True).start()

    def close(self) -> None:
        """Accept no further calls."""
        self._closed.set()
        # A close alone does not wake the thread that waits in accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._path.unlink(missing_ok=True)
        with suppress(OSError):
            self._path.parent.rmdir()

    def _place(self, uid: int) -> threading.Semaphore | None:
        """Take a place for a user's connection, which is to be released; None if there is none."""
        own = (self._own_connections,) if uid == self._own_uid else ()
        return next((each for each in (*own, self._connections) if each.acquire(blocking=False)), None)

    def _serve(self, connection: socket.socket, uid: int, place: threading.Semaphore) -> None:
        try:
            self.converse(connection, uid)
        finally:
            place.release()

    def converse(self, connection: socket.socket, uid: int | None) -> None:
        """Answer the calls of one connection until it ends, and close it.

        Args:
            uid: user that calls; None for a caller on another host, who may make every call but the reserved ones.
        """
        with connection:
            try:
                while (length := codec.announced(connection)) is not None:
                    came = self._clock()
                    with self._room_for(length):
                        data = codec.body(connection, length)
                        codec.send(connection, self._answer(data, connection, uid, came))
            except OSError as error:
                self._lines.write(log.warning, "a caller went away", error=str(error))
            self._gone()

    @contextmanager
    def _room_for(self, length: int) -> Iterator[None]:
        """Hold room for a message of this many bytes.

        Raises:
            TimeoutError: there was none for as long as a caller waits.
        """
        if length <= _LARGE:
            yield
            return
        if not self._room.acquire(timeout=self._room_wait_s):
            raise TimeoutError("there was no room for its large message")
        try:
            yield
        finally:
            self._room.release()

    def _answer(
        self, data: bytes, connection: socket.socket, uid: int | None, came: float
    ) -> messages.Done | messages.Failed:
        """Execute a call that was announced at this time, by the clock."""
        try:
            request = codec.decode(data, messages.TimedCall)
            if request.shard not in (None, self._shard):
                # Hubs take free ports, so this one may have the port of one that has ended.
                raise NotHere(f"the hub of shard {request.shard} is not here")
            call, caller = request.call, WaitingCaller(connection, came + request.patience_s)
            if isinstance(call, messages.RESERVED) and uid != self._own_uid:
                whom = "callers on other hosts" if uid is None else f"user {uid}"
                raise HubError(f"{type(call).__name__} is not for {whom}")
            return messages.Done(msgspec.Raw(codec.encode(self._handler(call, caller))))
        except Overtaken as error:
            return messages.Failed(str(error), "overtaken")
        except Crowded as error:
            return messages.Failed(str(error), "crowded", error.retry_after)
        except RulesTooLarge as error:
            return messages.Failed(str(error), "too-large")
        except NotHere as error:
            return messages.Failed(str(error), "not-here")
        except (HubError, Refused, msgspec.DecodeError) as error:
            self._lines.write(log.warning, "a call was refused", error=str(error))
            return messages.Failed(str(error))
        except Exception as error:  # noqa: BLE001 - it is logged
            self._lines_of_faults.write(log.exception, "a call failed")
            return messages.Failed(f"{type(error).__name__}: {error}")


def _uid_of(connection: socket.socket) -> int:
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(data)
    return int(uid)
