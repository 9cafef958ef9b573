"""Calls between hosts over mutual TLS, for code that speaks over plain sockets.

Each end has a socket pair: one of the two is handed out, and a thread carries bytes between the other and the TLS
connection. When one side closes, so does the other, so the end of a caller is noticed as on one host.

A host's connections are a part of all, by its certificate: whoever has stolen one keeps no other host out.
"""

from __future__ import annotations

import hashlib
import select
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from appliance.cluster.errors import ClusterError
from appliance.cluster.etcd import Identity, SocketAddress
from appliance.cluster.tls_handshakes import TlsHandshakes
from appliance.few_lines import FewLines
from appliance.shared_places import SharedPlaces

log = structlog.get_logger()

_HANDSHAKE_S = 2.0
_PIECE = 2**16
_PAUSE_S = 0.1
_LINES = 30
"""Most log lines in a minute about connections that could not be taken."""
# A host that is gone without a word: a dead connection is noticed after some seconds (tcp(7)).
_DEAD_AFTER_MS = 5000


class Unreached(ClusterError):
    """The other host could not be reached, or is not the one that was meant."""


def connect(where: SocketAddress, name: str, context: ssl.SSLContext) -> socket.socket:
    """Connect to another host.

    Args:
        where: address of its `Listener`.
        name: DNS name in its certificate.
        context: of this host's identity, for a client.

    Returns:
        A plain socket; the caller closes it.

    Raises:
        Unreached: nobody listens there, or somebody whose certificate is not of this name and authority.
    """
    try:
        plain = socket.create_connection((where.host, where.port), _HANDSHAKE_S)
        with suppress(OSError):
            _notice_death(plain)
        connection = _proven(context.wrap_socket(plain, server_hostname=name))
    except OSError as error:
        raise Unreached(f"{name} can't be reached at {where.host}: {error}") from error
    return _carried(connection)


@dataclass
class Listener:
    """Takes connections from other hosts of the same authority, and hands each out as a plain socket.

    Args:
        where: address to listen on; port 0 takes a free one.
        identity: of this host.
        serve: gets each plain socket in a thread of its own, and closes it; and the name of the host that calls,
            different for each certificate.
        most: most connections of hosts.
        most_of_one: most connections with one certificate.

    Attributes:
        refused: numbers of refused connections, by reason: ``stranger`` (no certificate of the authority), ``unproven``
            (too many handshakes of the address, of its host, or of all strangers or hosts, were in progress or ended a
            moment ago), ``crowded`` (too many connections with the certificate, or of all hosts).

    Raises:
        OSError: the address is taken or not this host's.
    """

    where: SocketAddress
    identity: Identity
    serve: Callable[[socket.socket, str], None]
    most: int = 512
    most_of_one: int = 64

    def __post_init__(self) -> None:
        self._context = self.identity.context(ssl.PROTOCOL_TLS_SERVER)
        self._places = SharedPlaces(self.most, self.most_of_one)
        self._closed = threading.Event()
        self.refused = {"crowded": 0, "stranger": 0, "unproven": 0}
        self._handshakes = TlsHandshakes()
        self._lines = FewLines(_LINES)
        self._counting = threading.Lock()
        family = socket.AF_INET6 if ":" in self.where.host else socket.AF_INET
        self._socket = socket.create_server((self.where.host, self.where.port), family=family, backlog=128)
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, name="relay-accept", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no further connections."""
        self._closed.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                plain, sender = self._socket.accept()
            except OSError as error:
                if not self._closed.is_set():
                    self._lines.write(log.error, "a connection could not be taken", error=str(error))
                    self._closed.wait(_PAUSE_S)
                continue
            if not self._handshakes.begin(sender[0]):
                self._refuse("unproven", sender[0], "too many of its connections, or of all like it, are unproven")
                plain.close()
                continue
            try:
                threading.Thread(target=self._take, args=(plain, sender[0]), name="relay", daemon=True).start()
            except RuntimeError as error:
                # The host has no thread left (pthread_create(3), EAGAIN); later callers may find one.
                self._lines.write(log.error, "a connection could not be taken", error=str(error))
                self._handshakes.end(sender[0], None)
                plain.close()

    def _take(self, plain: socket.socket, sender: str) -> None:
        try:
            plain.settimeout(_HANDSHAKE_S)
            _notice_death(plain)
            connection = _proven(self._context.wrap_socket(plain, server_side=True))
        except OSError as error:
            self._refuse("stranger", sender, str(error))
            plain.close()
            self._handshakes.end(sender, None)
            return
        name = _name_of(connection)
        self._handshakes.end(sender, name)
        if not self._places.take(name):
            self._refuse(
                "crowded", sender, f"there are {self.most_of_one} connections of {name}, or {self.most} of all"
            )
            connection.close()
            return
        try:
            self._serve(connection, name)
        finally:
            self._places.give_back(name)

    def _serve(self, connection: ssl.SSLSocket, name: str) -> None:
        """Serve a connection until both its ends are gone: each takes a thread, which the caller's place stands for."""
        ours, theirs = _pair(connection)
        serving = threading.Thread(target=self.serve, args=(theirs, name), name="relay-serve", daemon=True)
        try:
            serving.start()
        except RuntimeError as error:
            self._lines.write(log.error, "a connection could not be taken", error=str(error))
            for each in (connection, ours, theirs):
                each.close()
            return
        _carry(connection, ours)
        serving.join()

    def _refuse(self, reason: str, sender: str, error: str) -> None:
        """Count a refused connection, and log it unless others of its sender were logged lately."""
        with self._counting:
            self.refused[reason] += 1
        if self._handshakes.is_to_be_told(sender):
            who = "a host" if reason == "crowded" else "a stranger"
            log.warning(f"{who} was turned away", sender=sender, error=error, refused=dict(self.refused))


def _notice_death(plain: socket.socket) -> None:
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 2), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 3)):
        plain.setsockopt(socket.IPPROTO_TCP, option, value)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_AFTER_MS)


def _proven(connection: ssl.SSLSocket) -> ssl.SSLSocket:
    """Return a connection after its handshake.

    Raises:
        ConnectionError: there was none. Python reports no error where the other side left before it.
    """
    if connection.version() is None:
        connection.close()
        raise ConnectionError("the other side left before the handshake")
    return connection


def _name_of(connection: ssl.SSLSocket) -> str:
    """Name a host by its certificate: its first DNS name, and a digest, as it may have several certificates."""
    told: Any = (connection.getpeercert() or {}).get("subjectAltName", ())
    named = [value for kind, value in told if kind == "DNS"]
    digest = hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()[:16]
    return f"{named[0] if named else 'a host without a name'} ({digest})"


def _carried(connection: ssl.SSLSocket) -> socket.socket:
    """Start to carry bytes between a TLS connection and a new plain socket, which is returned."""
    ours, theirs = _pair(connection)
    threading.Thread(target=_carry, args=(connection, ours), name="relay-carry", daemon=True).start()
    return theirs


def _pair(connection: ssl.SSLSocket) -> tuple[socket.socket, socket.socket]:
    """Make two plain sockets that are connected, the first of them for `_carry`."""
    connection.setblocking(False)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return ours, theirs


def _carry(connection: ssl.SSLSocket, plain: socket.socket) -> None:
    """Carry bytes both ways until one side ends. One thread does both, as OpenSSL allows no two on a connection."""
    inward, outward = b"", b""
    with connection, plain:
        try:
            while True:
                if inward or not connection.pending():
                    _wait((connection, not inward, bool(outward)), (plain, not outward, bool(inward)))
                with suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    if not inward:
                        inward = connection.recv(_PIECE)
                        if not inward:
                            return
                with suppress(BlockingIOError):
                    if inward:
                        inward = inward[plain.send(inward) :]
                with suppress(BlockingIOError):
                    if not outward:
                        outward = plain.recv(_PIECE)
                        if not outward:
                            return
                with suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    if outward:
                        outward = outward[connection.send(outward) :]
        except OSError:
            return


def _wait(*wishes: tuple[socket.socket, bool, bool]) -> None:
    """Wait until a socket can be read from, or written to, of which that is wished."""
    # Not select(2), which takes no descriptor above 1023.
    waiting = select.poll()
    for each, reads, writes in wishes:
        # The end of a connection is reported even without a wish, again and again.
        if reads or writes:
            waiting.register(each, select.POLLIN * reads | select.POLLOUT * writes)
    waiting.poll()
