"""Streams of numbered UDP packets between two hosts, with exact accounts of arrivals and losses.

All hosts share one kernel, so both ends read one clock (CLOCK_MONOTONIC, ns). Each sending is recorded with the time
before the system call and the time after it. "Sent after an instant" goes by the first, "sent before an instant" by the
second, so that a thread that was suspended in between never turns into a false finding.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from bisect import bisect_left
from dataclasses import dataclass
from operator import attrgetter

from netlab.errors import NothingArrived
from netlab.host import Host
from netlab.recorder import enlarge_buffer

_MAGIC = b"nlu1"
_PAYLOAD = struct.Struct("!4s8sQQ")
_PADDING = bytes(64 - _PAYLOAD.size)
"""Fills a packet up to 64 bytes of UDP payload."""

_SO_MEMINFO = 55
_MEMINFO_DROPS = 8
# Room for some seconds of a stream, while a busy machine has no processor for the receiving thread.
_BUFFER = 16 << 20
_MOST_HELD = _BUFFER // 512
"""Most packets that the buffer has room for: the kernel counts some 768 bytes for the smallest."""

_LOOK_MS = 50
CATCH_UP = 5
"""Most intervals that a sender makes up for when it fell behind; packets of earlier ones are never sent."""


@dataclass(frozen=True)
class Sent:
    """A packet that the sender gave to the kernel.

    Attributes:
        seq: number of the packet, from 0, without gaps.
        sent_ns: time just before the system call.
        done_ns: time just after it.
        errno: error number if the kernel refused it; 0 if it was sent.
    """

    seq: int
    sent_ns: int
    done_ns: int
    errno: int


@dataclass(frozen=True)
class Received:
    """The first arrival of a packet.

    Attributes:
        seq: number of the packet.
        sent_ns: time just before the system call that sent it.
        received_ns: time of its arrival.
    """

    seq: int
    sent_ns: int
    received_ns: int


class UdpStream:
    """A stream that sends at a steady pace while its `with` block runs. It needs no child process.

    The records stay readable after the end, and are complete then: every packet has arrived or is lost.

    Attributes:
        port: UDP port at the receiver.
    """

    def __init__(
        self,
        sender: Host,
        receiver: Host,
        destination: str,
        port: int,
        interval_s: float = 0.002,
        drain_s: float = 0.25,
    ) -> None:
        """Opens the sockets; nothing is sent yet.

        Args:
            sender: the host that sends.
            receiver: the host that has `destination`.
            destination: a literal address; the receiver listens on every address of its family.
            port: UDP port at the receiver; 0 takes a free one.
            interval_s: seconds from packet to packet.
            drain_s: seconds that the end waits for each further one of the packets that are still missing.

        Raises:
            OSError: a socket can't be bound.
            OutOfReach: a host is on another machine.
        """
        family = socket.AF_INET6 if ":" in destination else socket.AF_INET
        self._interval_ns = max(1, round(interval_s * 1e9))
        self._drain_s = drain_s
        self._id = os.urandom(8)
        self._sent: list[Sent] = []
        self._received: dict[int, Received] = {}
        self._final_drops = 0
        self._newest_ns = 0
        self._arrival = threading.Condition()
        self._stop_sending = threading.Event()
        self._stop_receiving = threading.Event()
        self._receiving = receiver.socket(family, socket.SOCK_DGRAM)
        self._sending = sender.socket(family, socket.SOCK_DGRAM)
        enlarge_buffer(self._receiving, _BUFFER)
        self._receiving.bind(("", port))
        self._receiving.setblocking(False)
        # Not connected: a connected socket would report an ICMP error by refusing the next packet.
        self.port = int(self._receiving.getsockname()[1])
        self._destination = (destination, self.port)
        self._threads = [
            threading.Thread(target=self._receive, name="netlab-udp-receive", daemon=True),
            threading.Thread(target=self._send, name="netlab-udp-send", daemon=True),
        ]

    def __enter__(self) -> UdpStream:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the sending, waits for stragglers, and closes the sockets. May be called twice."""
        if self._receiving.fileno() == -1:
            return
        receive, send = self._threads
        self._stop_sending.set()
        if send.ident is not None:
            send.join()
            self._await_stragglers()
        self._stop_receiving.set()
        if receive.ident is not None:
            receive.join()
        self._final_drops = self.receiver_drops
        self._sending.close()
        self._receiving.close()

    def _await_stragglers(self) -> None:
        given = sum(1 for sent in self._sent if not sent.errno)
        with self._arrival:
            while len(self._received) < given and self._arrival.wait(self._drain_s):
                pass

    def _send(self) -> None:
        next_ns = time.monotonic_ns()
        seq = 0
        while not self._stop_sending.is_set():
            now = time.monotonic_ns()
            if now < next_ns:
                time.sleep((next_ns - now) / 1e9)
                continue
            # By the schedule, not from packet to packet, so that delays don't add up; far behind, it starts anew.
            next_ns = max(next_ns, now - CATCH_UP * self._interval_ns) + self._interval_ns
            sent_ns = time.monotonic_ns()
            code = 0
            try:
                payload = _PAYLOAD.pack(_MAGIC, self._id, seq, sent_ns) + _PADDING
                self._sending.sendto(payload, self._destination)
            except OSError as error:
                code = error.errno or -1
            self._sent.append(Sent(seq, sent_ns, time.monotonic_ns(), code))
            seq += 1

    def _receive(self) -> None:
        # What the kernel holds at the end has arrived, however late this thread comes to look.
        at_the_end = _MOST_HELD
        # select(2) takes no descriptor above 1023, and a large lab has more.
        arrivals = select.poll()
        arrivals.register(self._receiving, select.POLLIN)
        while at_the_end > 0:
            ends = self._stop_receiving.is_set()
            at_the_end -= ends
            if not arrivals.poll(0 if ends else _LOOK_MS):
                if ends:
                    return
                continue
            try:
                payload = self._receiving.recv(65536)
            except OSError:
                continue
            received_ns = time.monotonic_ns()
            if len(payload) < _PAYLOAD.size:
                continue
            magic, stream, seq, sent_ns = _PAYLOAD.unpack_from(payload)
            if magic != _MAGIC or stream != self._id:
                continue
            with self._arrival:
                if seq in self._received:
                    continue
                self._received[seq] = Received(seq, sent_ns, received_ns)
                self._newest_ns = max(self._newest_ns, sent_ns)
                self._arrival.notify_all()

    @staticmethod
    def mark() -> int:
        """Returns the time now on the clock of all records, in ns."""
        return time.monotonic_ns()

    def sent(self) -> list[Sent]:
        """Returns every attempt to send so far, in order."""
        return list(self._sent)

    def received(self) -> list[Received]:
        """Returns every packet that has arrived so far, in order of arrival.

        While the stream runs, `sent` may not have the last of them yet.
        """
        with self._arrival:
            return list(self._received.values())

    def received_since(self, start_ns: int) -> list[Received]:
        """Returns the packets that have arrived and whose sending began at an instant or later, in order of sending.

        It takes no longer for a stream that has run for long.

        Args:
            start_ns: the instant, as `mark` returns it.
        """
        with self._arrival:
            # One packet may have arrived before its sending is recorded.
            numbers = range(self._first_since(start_ns), len(self._sent) + 1)
            arrived = [self._received[seq] for seq in numbers if seq in self._received]
        return [packet for packet in arrived if packet.sent_ns >= start_ns]

    def _first_since(self, start_ns: int) -> int:
        """Returns the number of the first packet whose sending began at an instant or later; packets are in order."""
        return bisect_left(self._sent, start_ns, key=attrgetter("sent_ns"))

    @property
    def sent_count(self) -> int:
        """Number of attempts to send so far; as fast for a long stream as for a short one."""
        return len(self._sent)

    @property
    def received_count(self) -> int:
        """Number of packets that have arrived so far; as fast for a long stream as for a short one."""
        return len(self._received)

    @property
    def receiver_drops(self) -> int:
        """Number of packets that found the receiver's socket full. These are no faults of the network."""
        if self._receiving.fileno() == -1:
            return self._final_drops
        data = self._receiving.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36)
        return int(struct.unpack("=9I", data)[_MEMINFO_DROPS])

    def wait_delivery(self, after_ns: int, timeout_s: float) -> float:
        """Waits until a packet that was sent after an instant has arrived.

        Args:
            after_ns: the instant, as `mark` returns it.
            timeout_s: seconds to wait.

        Returns:
            Seconds from the instant to the first such arrival.

        Raises:
            NothingArrived: none within `timeout_s` of the call.
        """
        start = time.monotonic()
        with self._arrival:
            while self._newest_ns <= after_ns:
                left = start + timeout_s - time.monotonic()
                if left <= 0:
                    raise NothingArrived(f"packet to {self._destination[0]} port {self.port}", timeout_s)
                self._arrival.wait(left)
            arrivals = [packet.received_ns for packet in self.received_since(after_ns + 1)]
        return (min(arrivals) - after_ns) / 1e9

    def sent_in(self, start_ns: int, end_ns: int) -> list[int]:
        """Returns the numbers of packets that were sent within a time, from begin to end of the system call.

        Args:
            start_ns: first instant, as `mark` returns it.
            end_ns: last instant.
        """
        sent = self._sent[self._first_since(start_ns) : self._first_since(end_ns + 1)]
        return [s.seq for s in sent if s.done_ns <= end_ns and not s.errno]

    def delivered_sent_in(self, start_ns: int, end_ns: int) -> list[int]:
        """Returns the numbers of packets that have arrived and whose sending began within a time.

        Args:
            start_ns: first instant, as `mark` returns it.
            end_ns: last instant.
        """
        return [r.seq for r in self.received_since(start_ns) if r.sent_ns <= end_ns]

    def lost_in(self, start_ns: int, end_ns: int) -> list[int]:
        """Returns the numbers of packets that were sent within a time, as by `sent_in`, and have not arrived.

        A packet under way counts as lost: call this after `wait_delivery` or after the end.

        Args:
            start_ns: first instant, as `mark` returns it.
            end_ns: last instant.
        """
        with self._arrival:
            arrived = set(self._received)
        return [seq for seq in self.sent_in(start_ns, end_ns) if seq not in arrived]
