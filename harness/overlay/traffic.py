"""All kinds of traffic from one machine to another at once, each judged when the policy changes."""

from __future__ import annotations

import socket
from contextlib import ExitStack

from scapy.layers.inet import ICMP, IP, UDP, fragment

from harness.judging.answer import Answer
from harness.judging.verdicts import Refuted
from harness.overlay import truth
from harness.overlay.canary import Canary
from harness.overlay.connection import JudgedConnection
from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh
from harness.overlay.queues import Queues
from harness.overlay.truth import CellKey, PortProtocol
from harness.wire import raw
from harness.wire.witness import Marks, Witness

KINDS = (PortProtocol("udp", 9), PortProtocol("tcp", 9), PortProtocol("icmp"))
"""Kinds of traffic in the policy's terms: the stream, the connection and the pings."""

# Bytes: more than fit into one packet of the tunnel, and the size of the first fragment.
_FRAGMENTED, _FRAGMENT = 1800, 1200
_WRONG = "probes beside streams that did not follow the policy"
_PROBES = 5
_ABSORBED = 9
# Leaves out the stream and the connection, whose many packets a witness would have to keep until it is read.
_PROBES_FILTER = f"icmp or udp dst port {_ABSORBED} or (ip and ip[6:2] & 0x3fff != 0)"
_UNREACHABLE, _PORT = 3, 3


class Traffic:
    """A stream, a connection and probes from one machine to another. Leaving ``with`` judges stream and connection.

    Args:
        canary: stream beside them that tells what the machine loses; it has to end later. Without one, all packets that
            a full queue may have lost are excused.
        queues: watch over the queues on their way; it has to end later.

    Attributes:
        source: machine that sends.
        destination: machine that receives.
        flips: number of times that a change allowed or denied the stream or the connection.
    """

    def __init__(
        self,
        mesh: Mesh,
        source: Machine,
        destination: Machine,
        *,
        canary: Canary | None = None,
        queues: Queues | None = None,
    ) -> None:
        self.flips = 0
        self._mesh = mesh
        self._canary = canary
        self._queues = queues
        self.source, self.destination = source, destination
        self._stack = ExitStack()
        self._marks = Marks()
        self._sent = 0

    def __enter__(self) -> Traffic:
        enter = self._stack.enter_context
        self._flow = enter(self.source.stream_to(self.destination, canary=self._canary, queues=self._queues))
        self._connection = enter(JudgedConnection(self.source, self.destination))
        self._at_source = enter(Witness(self.source.host, self.source.tunnel.interface, _PROBES_FILTER))
        self._at_destination = enter(Witness(self.destination.host, self.destination.tunnel.interface, _PROBES_FILTER))
        self._passing = dict.fromkeys(KINDS, True)
        # An open port: the kernel sends no errors about it, only `send_probes` does.
        absorbing = enter(self.destination.host.socket(socket.AF_INET, socket.SOCK_DGRAM))
        absorbing.bind((self.destination.address, _ABSORBED))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)  # type: ignore[arg-type]

    def passes(self) -> None:
        """Waits until stream and connection carry packets."""
        self._flow.flows()
        self._connection.goes_on()

    def follows(self, change: Answer) -> None:
        """Judges stream and connection by the mesh's policy from the answer of a change on."""
        before, self._passing = self._passing, {kind: self._is_allowed(kind) for kind in KINDS}
        udp, tcp, _ = KINDS
        if self._passing[udp] is not before[udp]:
            if self._passing[udp]:
                self._flow.flows(change)
            else:
                self._flow.stops(change)
        if self._passing[tcp]:
            self._connection.goes_on(change)
        else:
            self._connection.stops(change)
        self.flips += sum(self._passing[kind] is not before[kind] for kind in (udp, tcp))

    def send_probes(self) -> None:
        """Sends a datagram, a fragmented datagram, a ping, and an ICMP error about the datagram's connection.

        The destination sends the error. Each fragment has a mark of its own.
        """
        here, there = self.source.address, self.destination.address
        datagram, ping, first, second, error = (self._marks.mark(self._sent + number) for number in range(_PROBES))
        self._sent += _PROBES
        ip, udp = IP(src=here, dst=there), UDP(sport=raw.SOURCE_PORT, dport=_ABSORBED)
        whole = ip / udp / (first + bytes(_FRAGMENTED) + second)
        pieces = fragment(whole, _FRAGMENT)  # type: ignore[no-untyped-call]
        raw.send(self.source.host, self.source.tunnel.interface, [ip / udp / datagram, *pieces, ip / ICMP() / ping])
        icmp_error = IP(src=there, dst=here) / ICMP(type=_UNREACHABLE, code=_PORT) / bytes(ip / udp / error)
        # The error takes another tunnel, and the hub must have met its connection before, or the error belongs to none.
        self.source.fence()
        raw.send(self.destination.host, self.destination.tunnel.interface, [icmp_error])

    def judge_probes(self) -> None:
        """Compares the probes that arrived with the policy, and judges the connection. Call it after `Mesh.fence`.

        Raises:
            Refuted: a probe arrived although denied or is missing although allowed, or the connection carried a denied
                line.
        """
        self._connection.stays_stopped()
        udp, _, icmp = (self._passing[kind] for kind in KINDS)
        expected = {
            "UDP": udp,
            "ping": icmp,
            "first fragment": udp,
            "second fragment": udp,
            "ICMP error": udp or (None if self._may_err() else False),
        }
        numbers = dict(zip(expected, range(self._sent - _PROBES, self._sent), strict=True))
        wanted = {numbers[name] for name, allowed in expected.items() if allowed}
        errors = {numbers["ICMP error"]}
        arrived = errors & self._at_source.wait_for(self._marks, wanted & errors)
        arrived |= self._at_destination.wait_for(self._marks, wanted - errors) - errors
        wrong = [
            f"{name}: {'arrived, though denied' if numbers[name] in arrived else 'did not arrive, though allowed'}"
            for name, allowed in expected.items()
            if allowed is not None and allowed is not (numbers[name] in arrived)
        ]
        if wrong:
            raise Refuted(f"{self.source.name}→{self.destination.name} {', '.join(wrong)}")
        judged = sum(allowed is not None for allowed in expected.values())
        self._mesh.record.none_of(_WRONG, wrong, "probes beside a stream differ from the policy", of=judged)

    def _may_err(self) -> bool:
        """True if an error about any connection between the two may pass: some are allowed, and not all are denied."""
        any_connection = CellKey(self.source, self.destination, PortProtocol("any"))
        counting = [
            {**rule, "protocol": "any"}
            for rule in self._mesh.rules
            if rule["action"] == "allow" or rule.get("protocol", "any") == "any"
        ]
        return truth.is_allowed(any_connection, self._mesh.default, counting)

    def _is_allowed(self, kind: PortProtocol) -> bool:
        return truth.is_allowed(CellKey(self.source, self.destination, kind), self._mesh.default, self._mesh.rules)
