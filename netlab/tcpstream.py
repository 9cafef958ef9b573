"""A long-lived TCP connection that shows when it stalls and when it goes on."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from bisect import bisect_left
from dataclasses import dataclass

from netlab.errors import NothingArrived
from netlab.host import Host

_CONNECT_S = 2.0


@dataclass(frozen=True)
class Echo:
    """A line that came back.

    Attributes:
        seq: number of the line, from 0.
        sent_ns: time when it was given to the kernel.
        echoed_ns: time when it came back.
    """

    seq: int
    sent_ns: int
    echoed_ns: int


class TcpStream:
    """A connection to a `TcpListener` over which numbered lines go out at a steady pace and come back.

    TCP repeats dropped segments: after a denial ends, every line still arrives, late. A denial shows in that no line
    sent during it comes back while it lasts. The kernel repeats at growing intervals, so after a denial of n seconds it
    may take as long again until the connection goes on.

    Attributes:
        error: the error that broke the connection; None if none did.
    """

    def __init__(self, sender: Host, destination: str, port: int, interval_s: float = 0.005) -> None:
        """Connects.

        Args:
            sender: the host that connects.
            destination: a literal address where a `TcpListener` listens.
            port: its port.
            interval_s: seconds from line to line.

        Raises:
            OSError: it could not connect.
            OutOfReach: the host is on another machine.
        """
        self._interval_s = interval_s
        self._socket = sender.socket(socket.AF_INET6 if ":" in destination else socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.settimeout(_CONNECT_S)
            self._socket.connect((destination, port))
        except OSError:
            self._socket.close()
            raise
        self._socket.settimeout(None)
        self._sent_ns: list[int] = []
        self._echoes: list[Echo] = []
        self._arrival = threading.Condition()
        self._stop = threading.Event()
        self.error: OSError | None = None
        self._threads = [
            threading.Thread(target=self._guarded, args=(body,), name="netlab-tcp", daemon=True)
            for body in (self._send, self._receive)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> TcpStream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection. May be called twice."""
        self._stop.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def _guarded(self, body: object) -> None:
        try:
            body()  # type: ignore[operator]
        except OSError as error:
            if not self._stop.is_set():
                self.error = error
        self._stop.set()

    def _send(self) -> None:
        next_s = time.monotonic()
        while not self._stop.wait(max(0.0, next_s - time.monotonic())):
            next_s = max(next_s, time.monotonic() - 5 * self._interval_s) + self._interval_s
            self._sent_ns.append(time.monotonic_ns())
            self._socket.sendall(b"%d\n" % (len(self._sent_ns) - 1))

    def _receive(self) -> None:
        rest = b""
        while data := self._socket.recv(65536):
            now = time.monotonic_ns()
            *lines, rest = (rest + data).split(b"\n")
            with self._arrival:
                self._echoes += [Echo(int(line), self._sent_ns[int(line)], now) for line in lines]
                self._arrival.notify_all()

    @property
    def sent(self) -> int:
        """Number of lines given to the kernel."""
        return len(self._sent_ns)

    def sent_by(self, moment_ns: int) -> int:
        """Returns the number of lines that were given to the kernel before an instant.

        Args:
            moment_ns: the instant, as `mark` returns it.
        """
        return bisect_left(self._sent_ns, moment_ns)

    @staticmethod
    def mark() -> int:
        """Returns the time now on the clock of all records, in ns."""
        return time.monotonic_ns()

    def echoes(self) -> list[Echo]:
        """Returns every line that came back so far, in order."""
        with self._arrival:
            return list(self._echoes)

    def echoed_in(self, start_ns: int, end_ns: int) -> list[Echo]:
        """Returns the lines that were sent and came back within a time; there are none while the connection is denied.

        Args:
            start_ns: first instant, as `mark` returns it.
            end_ns: last instant.
        """
        return [e for e in self.echoes() if start_ns <= e.sent_ns and e.echoed_ns <= end_ns]

    def wait_echo(self, after_ns: int, timeout_s: float) -> float:
        """Waits until a line that was sent after an instant has come back.

        Args:
            after_ns: the instant, as `mark` returns it.
            timeout_s: seconds to wait.

        Returns:
            Seconds from the instant to the line's return.

        Raises:
            NothingArrived: none within `timeout_s` of the call.
        """
        start = time.monotonic()
        with self._arrival:
            # Lines come back in the order in which they were sent.
            while not (self._echoes and self._echoes[-1].sent_ns > after_ns):
                left = start + timeout_s - time.monotonic()
                if left <= 0:
                    raise NothingArrived(f"line over TCP (connection {self.error or 'stalled'})", timeout_s)
                self._arrival.wait(left)
            return (next(e.echoed_ns for e in self._echoes if e.sent_ns > after_ns) - after_ns) / 1e9
