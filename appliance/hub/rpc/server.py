"""Server of the hub's unix socket: one thread for each connection of a user who may call.

No caller can use the server up for others. Each has a part of all places, and what it sends or is sent has a deadline.
"""

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
from appliance.shared_places import SharedPlaces

log = structlog.get_logger()

Handler = Callable[[Any, WaitingCaller], object]

# unix(7), SO_PEERCRED: pid, uid, gid.
_CREDENTIALS = struct.Struct("3i")
_PAUSE_S = 0.1
MOST_CONNECTIONS, MOST_OF_USER = 256, 192
"""Connections, each with a thread: several times the number of the web process's threads, and a rest for commands."""

_LARGE = 2**20
MOST_LARGE, MOST_LARGE_OF_ONE = 3, 2
"""Messages above `_LARGE` bytes that are processed at a time, which bounds their memory; and those of one caller."""

_MESSAGE_S = 30.0
"""Seconds in which a message has to arrive once it has begun, and an answer to be taken; 64 MB are the most."""

_LINES = 30
"""Most log lines about callers in a minute, and about faults."""


class Server:
    """Answers calls on a unix socket until it is closed.

    Args:
        path: path of the socket; a file there is replaced.
        web_uid: user of the web process, who owns the socket and may call too; None if only the hub's own user may.
        handler: takes a call and its caller, and returns the answer or raises `HubError`.
        gone: called after the end of each connection.
        own_uid: user for whom `messages.RESERVED` calls are; None for the user of this process.
        shard: id of the shard whose hub this is; None where there is one hub.
        room_wait_s: longest wait of a large message for others to be done; its caller has left by then.
        message_s: longest time that a message takes to arrive, or an answer to be taken; an idle connection has no end.
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
        message_s: float = _MESSAGE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._handler = handler
        self._gone = gone
        self._shard = shard
        self._own_uid = os.getuid() if own_uid is None else own_uid
        self._callers = frozenset({self._own_uid} if web_uid is None else {self._own_uid, web_uid})
        self._closed = threading.Event()
        self._places = SharedPlaces(MOST_CONNECTIONS, MOST_OF_USER)
        self._room = SharedPlaces(MOST_LARGE, MOST_LARGE_OF_ONE)
        self._lines = FewLines(_LINES)
        self._lines_of_faults = FewLines(_LINES)
        self._lines_of_strangers = FewLines(1)
        self._room_wait_s = room_wait_s
        self._message_s = message_s
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
            if not self._begins(connection, _uid_of(connection)):
                connection.close()

    def _begins(self, connection: socket.socket, uid: int) -> bool:
        """Begin to serve a connection in a thread of its own; False if its user is refused."""
        if uid not in self._callers:
            self._lines_of_strangers.write(log.warning, "a call by a stranger was turned away", uid=uid)
            return False
        if not self._places.take(uid):
            self._lines.write(log.error, "a caller was turned away: there are too many connections", uid=uid)
            return False
        try:
            threading.Thread(target=self._serve, args=(connection, uid), name="hub-call", daemon=True).start()
        except RuntimeError as error:
            # The host has no thread left (pthread_create(3), EAGAIN); later calls may find one.
            self._places.give_back(uid)
            self._lines.write(log.error, "a caller was turned away", error=str(error), uid=uid)
            return False
        return True

    def close(self) -> None:
        """Accept no further calls."""
        self._closed.set()
        # A close alone does not wake the thread that waits in accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._path.unlink(missing_ok=True)
        with suppress(OSError):
            self._path.parent.rmdir()

    def _serve(self, connection: socket.socket, uid: int) -> None:
        try:
            self.converse(connection, uid)
        finally:
            self._places.give_back(uid)

    def converse(self, connection: socket.socket, caller: int | str) -> None:
        """Answer the calls of one connection until it ends, and close it.

        Args:
            caller: the user that calls, or another host's name, which may make every call but the reserved ones. How
                many connections it has is bounded elsewhere.
        """
        with connection:
            try:
                while (length := codec.announced(connection, self._message_s)) is not None:
                    came = self._clock()
                    with self._room_for(length, caller):
                        data = codec.body(connection, length, self._message_s)
                        answer = self._answer(data, connection, caller, came)
                        codec.send(connection, answer, self._message_s)
            except OSError as error:
                self._lines.write(log.warning, "a caller went away", error=str(error))
            self._gone()

    @contextmanager
    def _room_for(self, length: int, caller: int | str) -> Iterator[None]:
        """Hold room for a message of this many bytes.

        Raises:
            TimeoutError: there was none for as long as a caller waits.
        """
        if length <= _LARGE:
            yield
            return
        if not self._room.take(caller, self._room_wait_s):
            raise TimeoutError("there was no room for its large message")
        try:
            yield
        finally:
            self._room.give_back(caller)

    def _answer(
        self, data: bytes, connection: socket.socket, caller: int | str, came: float
    ) -> messages.Done | messages.Failed:
        """Execute a call that was announced at this time, by the clock."""
        try:
            request = codec.decode(data, messages.TimedCall)
            if request.shard not in (None, self._shard):
                # Hubs take free ports, so this one may have the port of one that has ended.
                raise NotHere(f"the hub of shard {request.shard} is not here")
            call, waiting = request.call, WaitingCaller(connection, came + request.patience_s)
            if isinstance(call, messages.RESERVED) and caller != self._own_uid:
                whom = f"user {caller}" if isinstance(caller, int) else "callers on other hosts"
                raise HubError(f"{type(call).__name__} is not for {whom}")
            return messages.Done(msgspec.Raw(codec.encode(self._handler(call, waiting))))
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
