"""Canary: a stream through a bare WireGuard hub. Where its packets wait or are lost, the machine is busy."""

from __future__ import annotations

from types import TracebackType

from harness.judging.judgement import Wait
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from netlab import Host, LabHost, NothingArrived, UdpStream
from netlab.examples import plainhub

_DEADLINE_S = 5.0
_WAIT_NS = 25_000_000
_IMPLEMENTATIONS = ("kernel", "wireguard-go", "boringtun")


class Canary:
    """A stream from one host to another through a hub that forwards everything and has no rules.

    It runs while its ``with`` block does, beside streams through the hub under test. It should send as many packets as
    these together, so that its queues fill as fast as theirs.

    Args:
        router: host that forwards, for the bare hub.
        address: the router's address on the underlay, an IPv6 address in brackets.
        source: host that sends.
        destination: host that receives.
        record: takes the figures.
        interval_s: seconds between packets.
        wireguard: name and version of the WireGuard of the hub under test; the bare hub uses the same if it can.

    Raises (on entering the block):
        Inconclusive: nothing arrives.
    """

    def __init__(
        self,
        router: LabHost,
        address: str,
        source: Host,
        destination: Host,
        record: Record,
        interval_s: float,
        wireguard: str = "",
    ) -> None:
        implementation = next((each for each in _IMPLEMENTATIONS if wireguard.startswith(each)), "auto")
        hub = plainhub.connect(router, address, [source, destination], implementation)
        self._record = record
        self._stream = UdpStream(source, destination, hub.addresses[1], 0, interval_s=interval_s)

    def __enter__(self) -> Canary:
        self._stream.__enter__()
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.stop()
        self._record.measure("canary packets sent", len(self._stream.sent()))
        waits = self._waits()
        self._record.measure("canary's longest wait", max((each.ns for each in waits), default=0) / 1e9, "s")

    def waits(self) -> list[Wait]:
        """Returns the waits of 25 ms and more by their times, once a packet that is sent now has arrived.

        Raises:
            Inconclusive: nothing arrives any more.
        """
        self._wait()
        return self._waits()

    def _wait(self) -> None:
        try:
            self._stream.wait_delivery(self._stream.mark(), _DEADLINE_S)
        except NothingArrived as error:
            raise Inconclusive(f"nothing passes a bare hub for {_DEADLINE_S:.0f} s") from error

    def _waits(self) -> list[Wait]:
        received = self._stream.received()
        arrived = {packet.seq: packet.received_ns for packet in received}
        sent = {packet.seq: packet.sent_ns for packet in self._stream.sent() if not packet.errno}
        # A packet may have arrived before its sending is recorded.
        sent.update((packet.seq, packet.sent_ns) for packet in received)
        found, next_ns = [], 0
        for seq in sorted(sent, reverse=True):
            next_ns = arrived.get(seq, next_ns)
            # The last ones may still arrive.
            if next_ns and next_ns - sent[seq] >= _WAIT_NS:
                found.append(Wait(sent[seq], next_ns - sent[seq]))
        return found[::-1]
