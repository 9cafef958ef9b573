"""Clients that break the rules of HTTP: raw bytes over TLS."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass

from tests.waiting import DEADLINE


@dataclass(frozen=True)
class Served:
    """Address of a server."""

    port: int

    def tcp(self) -> socket.socket:
        """Opens a connection on which nothing was sent yet."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)

    def tls(self) -> ssl.SSLSocket:
        """Opens a connection and completes the TLS handshake."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        plain = self.tcp()
        try:
            return context.wrap_socket(plain)
        except OSError:
            plain.close()
            raise

    def ask(self, data: bytes) -> bytes:
        """Sends bytes, and reads until the server ends the connection."""
        with self.tls() as connection:
            with suppress(OSError):
                connection.sendall(data)
            return everything(connection)

    def answers(self) -> bool:
        """Tells if an ordinary request is answered."""
        return self.ask(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200")


def everything(connection: socket.socket) -> bytes:
    """Reads until the other side ends the connection.

    Raises:
        TimeoutError: it does not.
    """
    found = b""
    while True:
        try:
            data = connection.recv(65536)
        except (ConnectionError, ssl.SSLError):
            return found
        if not data:
            return found
        found += data


def statuses(answers: bytes) -> list[int]:
    """Returns the status of each answer."""
    return [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]
