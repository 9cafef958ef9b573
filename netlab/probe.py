"""Single probes by UDP and TCP, and the servers that answer them."""

from __future__ import annotations

import contextlib
import enum
import errno
import os
import selectors
import socket
import threading
import time
from bisect import bisect_right
from dataclasses import dataclass
from operator import itemgetter

from netlab.host import Host


class TcpAnswer(enum.Enum):
    """Way in which an attempt to connect by TCP ended."""

    CONNECTED = "connected"
    REFUSED = "refused"
    SILENT = "silent"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class TcpOutcome:
    """Result of an attempt to connect by TCP. It counts as True if it connected.

    Attributes:
        answer: way in which it ended.
        seconds: seconds it took.
        errno: error number of the failure; 0 if it connected.
    """

    answer: TcpAnswer
    seconds: float
    errno: int = 0

    def __bool__(self) -> bool:
        return self.answer is TcpAnswer.CONNECTED


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class _Server:
    """A thread that serves sockets of a host between `__enter__` and `__exit__`."""

    def __init__(self, host: Host, kind: int, address: str, port: int) -> None:
        self._socket = host.socket(_family(address), kind)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((address, port))
        self._socket.setblocking(False)
        self.port = int(self._socket.getsockname()[1])
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name="netlab-server", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._woken:
                    return
                sock = key.fileobj
                # A client that vanished, or an answer that its own kernel refuses, is the client's affair.
                with contextlib.suppress(OSError):
                    if isinstance(sock, socket.socket):
                        self._ready(sock)

    def _ready(self, sock: socket.socket) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Ends the server's thread and closes every socket. May be called twice."""
        if self._wake.fileno() == -1:
            return
        self._wake.close()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()


class UdpEcho(_Server):
    """A server that answers every UDP packet with the packet's payload (RFC 862).

    Attributes:
        port: port where it listens.
        heard: number of packets that it has received.
    """

    def __init__(self, host: Host, port: int = 0, address: str = "0.0.0.0") -> None:  # noqa: S104 - inside a lab
        """Listens in a host's network.

        Args:
            host: the host.
            port: UDP port; 0 takes a free one.
            address: local address; the default is every IPv4 address.

        Raises:
            OSError: it can't listen there.
            OutOfReach: the host is on another machine.
        """
        self.heard = 0
        super().__init__(host, socket.SOCK_DGRAM, address, port)

    def __enter__(self) -> UdpEcho:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _ready(self, sock: socket.socket) -> None:
        payload, sender = sock.recvfrom(65536)
        self.heard += 1
        sock.sendto(payload, sender)


class TcpListener(_Server):
    """A server that accepts TCP connections and echoes their data.

    Attributes:
        port: port where it listens.
        accepted: number of connections that it has accepted.
        received: number of bytes that it has received.
    """

    def __init__(self, host: Host, port: int = 0, address: str = "0.0.0.0") -> None:  # noqa: S104 - inside a lab
        """Listens in a host's network.

        Args:
            host: the host.
            port: TCP port; 0 takes a free one.
            address: local address; the default is every IPv4 address.

        Raises:
            OSError: it can't listen there.
            OutOfReach: the host is on another machine.
        """
        self.accepted = 0
        self.received = 0
        self._lines = 0
        self._arrivals: list[tuple[int, int]] = []
        super().__init__(host, socket.SOCK_STREAM, address, port)
        self._socket.listen(1024)

    def __enter__(self) -> TcpListener:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def lines_by(self, moment_ns: int) -> int:
        """Returns the number of lines that had been received until a moment, of all connections.

        Args:
            moment_ns: the moment in ns, on the monotonic clock.
        """
        arrivals = self._arrivals
        before = bisect_right(arrivals, moment_ns, key=itemgetter(0))
        return arrivals[before - 1][1] if before else 0

    def _ready(self, sock: socket.socket) -> None:
        if sock is self._socket:
            connection, _ = sock.accept()
            # Blocking: what is echoed are short lines, which fit into the send buffer.
            connection.settimeout(5)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.accepted += 1
            self._selector.register(connection, selectors.EVENT_READ)
            return
        data = b""
        try:
            data = sock.recv(65536)
            self.received += len(data)
            self._lines += data.count(b"\n")
            self._arrivals.append((time.monotonic_ns(), self._lines))
            sock.sendall(data)
        finally:
            if not data:
                self._selector.unregister(sock)
                sock.close()


def udp_probe(host: Host, destination: str, port: int, timeout_s: float = 1.0) -> float | None:
    """Sends one UDP packet to an echo and waits for the answer.

    Args:
        host: host that sends.
        destination: a literal address where a `UdpEcho` listens.
        port: its port.
        timeout_s: seconds to wait.

    Returns:
        Seconds of the round trip; None if nothing came back.

    Raises:
        OutOfReach: the host is on another machine.
    """
    payload = os.urandom(16)
    with host.socket(_family(destination), socket.SOCK_DGRAM) as sock:
        start = time.monotonic()
        try:
            sock.sendto(payload, (destination, port))
            while (left := start + timeout_s - time.monotonic()) > 0:
                sock.settimeout(left)
                if sock.recv(65536) == payload:
                    return time.monotonic() - start
        except OSError:
            # Refused here or timed out: nothing came back.
            return None
    return None


def tcp_probe(host: Host, destination: str, port: int, timeout_s: float = 1.0) -> TcpOutcome:
    """Tries to open a TCP connection, and closes it.

    Args:
        host: host that connects.
        destination: a literal address.
        port: TCP port.
        timeout_s: seconds to wait for the connection.

    Returns:
        Way in which the attempt ended, and the seconds it took.

    Raises:
        OutOfReach: the host is on another machine.
    """
    with host.socket(_family(destination), socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout_s)
        start = time.monotonic()
        try:
            sock.connect((destination, port))
        except TimeoutError:
            return TcpOutcome(TcpAnswer.SILENT, time.monotonic() - start, errno.ETIMEDOUT)
        except OSError as error:
            answer = TcpAnswer.REFUSED if error.errno == errno.ECONNREFUSED else TcpAnswer.UNREACHABLE
            return TcpOutcome(answer, time.monotonic() - start, error.errno or 0)
        return TcpOutcome(TcpAnswer.CONNECTED, time.monotonic() - start)
