"""Measures probes between machines: each by its arrival at the destination, and its answer by itself."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh
from harness.overlay.probes import Probe
from harness.wire import raw
from harness.wire.witness import Marks, Witness
from netlab import wait_until

_DEADLINE = 2.0
_AT_ONCE = 40
"""Packets that are sent in a row: no more than fit into a tunnel's smallest buffer."""
# In an IPv4 packet without options.
_PROTOCOL, _DESTINATION, _ADDRESSES_AND_PORTS = 9, slice(16, 20), slice(12, 24)


@dataclass(frozen=True)
class Measured:
    """Outcome of probes.

    Attributes:
        arrived: probes that came out of their destination's tunnel.
        answered: probes with an answer that came out of their source's tunnel.
    """

    arrived: Collection[Probe]
    answered: Collection[Probe]


class Prober:
    """Measures many probes at once.

    The result is final without waiting for a timeout: after the probes every machine pings its hub three times. A
    tunnel keeps its packets in order in each direction, so once these pings are answered, all that the hub let through
    has arrived.

    Args:
        mesh: organization of the machines.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    def measure(self, expected: Mapping[Probe, bool]) -> Measured:
        """Sends probes, and the destinations' answers to those that have to arrive.

        What is expected to arrive is given two more seconds, so that a slow lab is not taken for a denial. What is not
        expected needs no waiting, because the fence has passed.

        Args:
            expected: verdict of the reference model by probe.

        Raises:
            Refuted: a machine can't ping its hub.
            Inconclusive: the lab lost frames.
        """
        allowed = {probe for probe, verdict in expected.items() if verdict}
        with ExitStack() as stack:
            seen = _Seen(list(expected), stack)
            self._send(seen.machines, seen.packets())
            seen.wait(lambda: allowed <= seen.arrived)
            self._send(seen.machines, seen.answers(allowed))
            seen.wait(lambda: {probe for probe in allowed if probe.has_answer} <= seen.answered)
            return Measured(seen.arrived, seen.answered)

    def _send(self, machines: Collection[Machine], packets: Iterable[tuple[Machine, bytes]]) -> None:
        by_sender: defaultdict[Machine, list[bytes]] = defaultdict(list)
        for sender, packet in packets:
            by_sender[sender].append(packet)
        for first in range(0, max(map(len, by_sender.values()), default=0), _AT_ONCE):
            for sender, own in by_sender.items():
                raw.send(sender.host, sender.tunnel.interface, own[first : first + _AT_ONCE])
            for machine in machines:
                machine.fence()
        self._mesh.fence(*machines)


class _Seen:
    """Witnesses at the tunnels of the probes' machines, and the probes and answers that came out there."""

    def __init__(self, probes: Sequence[Probe], stack: ExitStack) -> None:
        self._probes = probes
        self._by_ends = {each.segment_ends: each for each in probes if each.cell.service.protocol == "tcp"}
        self._there, self._back = Marks(), Marks()
        cells = [each.cell for each in probes]
        self.machines = dict.fromkeys(machine for cell in cells for machine in (cell.source, cell.destination))
        self._witnesses = {
            machine: stack.enter_context(Witness(machine.host, machine.tunnel.interface)) for machine in self.machines
        }
        self.arrived: set[Probe] = set()
        self.answered: set[Probe] = set()

    def packets(self) -> Iterable[tuple[Machine, bytes]]:
        """Yields each probe's packet with its sender."""
        for number, probe in enumerate(self._probes):
            yield probe.cell.source, probe.packet(self._there.mark(number))

    def answers(self, wanted: Collection[Probe]) -> Iterable[tuple[Machine, bytes]]:
        """Yields the answers to probes with their senders."""
        for number, probe in enumerate(self._probes):
            if probe in wanted and probe.has_answer:
                packet = probe.answer(self._back.mark(number))
                if packet is not None:
                    yield probe.cell.destination, packet

    def wait(self, is_complete: Callable[[], bool]) -> None:
        """Looks at what came out, until it is complete or two seconds have passed."""

        def came() -> bool:
            self._look()
            return is_complete()

        wait_until(came, _DEADLINE)

    def _look(self) -> None:
        for machine, witness in self._witnesses.items():
            own = socket.inet_aton(machine.address)
            for frame in witness.frames():
                # The machine's own packets pass its link, too.
                if frame.data[_DESTINATION] == own:
                    self._take(machine, frame.data)

    def _take(self, machine: Machine, packet: bytes) -> None:
        for number in self._there.within(packet):
            if self._probes[number].cell.destination is machine:
                self.arrived.add(self._probes[number])
        self.answered.update(self._probes[number] for number in self._back.within(packet))
        if packet[_PROTOCOL] == socket.IPPROTO_TCP and (probe := self._by_ends.get(packet[_ADDRESSES_AND_PORTS])):
            self.answered.add(probe)
