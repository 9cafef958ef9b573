"""Proxy of a PostgreSQL server that breaks connections during a commit."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Literal

_NAME = ".s.PGSQL.5432"
_LONGEST = 2**16

When = Literal["before", "after"]


class BreakingProxy:
    """Proxy between clients and the server that breaks a connection on request.

    Args:
        server: folder of the server's socket.
        folder: folder for the proxy's socket.
    """

    def __init__(self, server: Path, folder: Path) -> None:
        self._server = server / _NAME
        self._when: When | None = None
        self.lost = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / _NAME))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_the_next_commit(self, when: When) -> None:
        """Breaks the next connection that commits, before or after the server has committed."""
        self._when = when

    def close(self) -> None:
        """Stops accepting connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self._server))
            done = threading.Event()
            threading.Thread(target=self._to_server, args=(client, server, done), daemon=True).start()
            threading.Thread(target=self._to_client, args=(client, server, done), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        while data := _received(client):
            if b"COMMIT\0" in data and self._when is not None:
                when, self._when = self._when, None
                self.lost += 1
                if when == "before":
                    break
                lost.set()
            if not _sent(server, data):
                break
        _close(server)

    @staticmethod
    def _to_client(client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        while data := _received(server):
            # The server's answer shows that the commit has taken place.
            if lost.is_set() or not _sent(client, data):
                break
        _close(client)
        _close(server)


def _received(end: socket.socket) -> bytes:
    try:
        return end.recv(_LONGEST)
    except OSError:
        return b""


def _sent(end: socket.socket, data: bytes) -> bool:
    try:
        end.sendall(data)
    except OSError:
        # The other thread may have closed it.
        return False
    return True


def _close(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
