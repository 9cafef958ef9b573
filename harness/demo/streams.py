"""Steady streams of small packets between two machines, counted where they arrive."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from contextlib import suppress

from netlab import Host

INTERVAL_S = 0.2
RECENT_NS = 2_000_000_000
_MOST_KEPT = 64
_LOOK_S = 0.5
_PACKET = b"meshwg demo"
# The receiver gives a silent connection up before the sender does, and is free for the sender's next one.
_RECEIVER_PATIENCE_S, _SENDER_PATIENCE_S = 0.6, 1.2


class Arrivals:
    """Counter of arrivals; thread-safe."""

    def __init__(self) -> None:
        # One stream has ten arrivals in this time; a burst of waiting ones is no reason to keep more.
        self._times: deque[int] = deque(maxlen=_MOST_KEPT)

    def count(self) -> None:
        """Counts an arrival."""
        self._times.append(time.monotonic_ns())

    def reading(self) -> dict[str, int]:
        """Number of arrivals in the last `RECENT_NS`, and the time of the last one; 0 for none."""
        times = list(self._times)
        since = time.monotonic_ns() - RECENT_NS
        return {"recent": sum(each > since for each in times), "last_ns": times[-1] if times else 0}


class SteadyStream:
    """A stream that runs while its ``with`` block does.

    Args:
        sender: host that sends.
        receiver: host that has the address.
        protocol: ``tcp`` or ``udp``. A TCP stream that stands still is connected anew.
        address: the receiver's overlay address.
    """

    def __init__(self, sender: Host, receiver: Host, protocol: str, address: str, port: int) -> None:
        self._sender = sender
        self._to = (address, port)
        self._ends = threading.Event()
        self.arrivals = Arrivals()
        is_tcp = protocol == "tcp"
        self._listening = receiver.socket(socket.AF_INET, socket.SOCK_STREAM if is_tcp else socket.SOCK_DGRAM)
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.bind(self._to)
        self._listening.settimeout(_LOOK_S)
        if is_tcp:
            self._listening.listen()
        work = (self._connect, self._accept) if is_tcp else (self._send, self._receive)
        self._threads = [threading.Thread(target=each, name="demo-stream", daemon=True) for each in work]

    def __enter__(self) -> SteadyStream:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def _send(self) -> None:
        with self._sender.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            while not self._ends.wait(INTERVAL_S):
                with suppress(OSError):
                    sending.sendto(_PACKET, self._to)

    def _receive(self) -> None:
        while not self._ends.is_set():
            with suppress(TimeoutError):
                self._listening.recv(len(_PACKET))
                self.arrivals.count()

    def _connect(self) -> None:
        while not self._ends.wait(INTERVAL_S):
            with self._sender.socket(socket.AF_INET, socket.SOCK_STREAM) as sending, suppress(OSError):
                sending.settimeout(_LOOK_S)
                sending.connect(self._to)
                sending.settimeout(_SENDER_PATIENCE_S)
                while not self._ends.wait(INTERVAL_S):
                    sending.sendall(_PACKET)
                    if not sending.recv(len(_PACKET)):
                        break

    def _accept(self) -> None:
        while not self._ends.is_set():
            with suppress(OSError):
                receiving, _ = self._listening.accept()
                with receiving:
                    receiving.settimeout(_RECEIVER_PATIENCE_S)
                    while not self._ends.is_set() and (data := receiving.recv(len(_PACKET))):
                        self.arrivals.count()
                        receiving.sendall(data)
