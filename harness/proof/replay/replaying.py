"""Real packets through a namespace that is made of a reading, each in its state of connection tracking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.proof.atoms import Fate
from harness.proof.choice import Unreachable
from harness.proof.fields import CONNECTED, ICMP, TCP, UDP, Flow, Variable
from harness.proof.readback import Reading
from harness.proof.replay import observer
from harness.proof.replay.circumstances import AS_READ, Circumstances, beyond_rates, delete
from harness.proof.replay.errors import Unreplayable
from harness.proof.replay.namespace import Rebuilt, rebuilt
from harness.proof.replay.observer import Noted
from harness.proof.replay.packets import Step, Values, flow_of, history, packet_of
from harness.proof.replay.wire import Captured, Wire

_MOST = 60_000
"""Packets in one namespace; their IP identifications are numbers of 16 bits."""


@dataclass(frozen=True)
class Seen:
    """A packet that was captured, and its part in a replay.

    Attributes:
        says: its part in words.
        is_history: it brings the state about, and is not the packet itself.
    """

    captured: Captured
    says: str
    is_history: bool


@dataclass(frozen=True)
class Replay:
    """Fate of a real packet.

    Attributes:
        fate: its real fate.
        link: name of the link that it left by; "" if it did not.
        flows: that its state can be, as connection tracking had it.
        state: the same, in the words of nft; "" if it was dropped before connection tracking.
        seen: its history and the packet itself on the namespace's links, in order.
    """

    values: Values
    fate: Fate
    link: str
    flows: tuple[Flow, ...]
    state: str
    seen: tuple[Seen, ...]

    @property
    def is_in_state(self) -> bool:
        """True if connection tracking had the packet in the state that was wanted, or did not see it."""
        return flow_of(self.values) in self.flows or not self.state


Outcome = Replay | Unreachable


def replay(reading: Reading, cases: Sequence[Values], circumstances: Circumstances = AS_READ) -> list[Outcome]:
    """Sends packets through copies of a namespace, each after the packets that bring its state about.

    The packets of a history are sent while everything is allowed. Then the reading's rules are put in force.

    Args:
        cases: values of each variable for each packet.
        circumstances: what is different in the copies.

    Returns:
        What became of each; the reason if no packets bring its state about.

    Raises:
        Unreplayable: the namespace can't be rebuilt here.
        Unmodelled: a part of what was read has no meaning in the proof.
    """
    outcomes: dict[int, Outcome] = {}
    for numbers in _rounds(cases):
        with rebuilt(reading) as namespace:
            some = {each: cases[each] for each in numbers}
            outcomes |= _Round(reading, namespace, some, circumstances).outcomes()
    return [outcomes[number] for number in range(len(cases))]


def _rounds(cases: Sequence[Values]) -> Iterator[list[int]]:
    """Splits cases so that no two of one part have the same connection."""
    rounds: list[tuple[list[int], set[object]]] = []
    for number, values in enumerate(cases):
        key = _connection(values)
        for numbers, keys in rounds:
            if key not in keys and len(numbers) < _MOST:
                break
        else:
            rounds.append((numbers := [], keys := set()))
        numbers.append(number)
        if key is not None:
            keys.add(key)
    yield from (numbers for numbers, _ in rounds)


def _connection(values: Values) -> object:
    """Ends by which connection tracking tells a connection from others, in either direction; None without one."""
    if flow_of(values) not in CONNECTED:
        return None
    protocol = values[Variable.PROTOCOL]
    there, back = values[Variable.SOURCE_PORT], values[Variable.DESTINATION_PORT]
    if protocol == ICMP:
        back = there
    elif protocol not in (TCP, UDP):
        there = back = 0
    return protocol, frozenset({(values[Variable.SOURCE], there), (values[Variable.DESTINATION], back)})


class _Round:
    """Packets of connections that are different, in one namespace."""

    def __init__(
        self, reading: Reading, namespace: Rebuilt, cases: Mapping[int, Values], circumstances: Circumstances
    ) -> None:
        self._reading = reading
        self._namespace = namespace
        self._circumstances = circumstances
        gone = {each.command.split()[-1] for each in circumstances.deletions if each.kind == "link"}
        self._gone = {index for name, index in reading.link_indexes.items() if name in gone}
        self._own = reading.parsed()[1].own()
        # IP identifications begin with one: for zero the kernel chooses one.
        self._cases = dict(enumerate(cases.items(), 1))

    def outcomes(self) -> dict[int, Outcome]:
        """Sends all, and tell what became of each."""
        found: dict[int, Outcome] = {}
        histories: dict[int, tuple[Step, ...]] = {}
        packets: dict[int, Step] = {}
        for at, (number, values) in self._cases.items():
            try:
                packets[at] = self._step(values, at)
                histories[at] = tuple(history(values, at, self._own))
            except Unreachable as error:
                found[number] = error
        if not packets:
            return found
        rules = beyond_rates(self._namespace.listing, self._circumstances.beyond)
        self._namespace.enforce(rules)
        self._namespace.check()
        self._namespace.open(min(self._namespace.links))
        before = self._carried(histories)
        self._namespace.enforce(rules, observer.rules())
        self._namespace.close_again()
        delete(self._namespace, self._reading.listing, self._circumstances.deletions)
        seen = self._carried({at: (packet,) for at, packet in packets.items()})
        for at, of_packet in observer.noted(self._namespace.run, packets).items():
            number, values = self._cases[at]
            found[number] = _concluded(values, of_packet, before[at], seen[at])
        return found

    def _step(self, values: Values, at: int) -> Step:
        if values[Variable.LINK] not in self._namespace.links:
            raise Unreachable("the kernel makes this link itself, so nothing can be sent by it")
        if values[Variable.LINK] in self._gone:
            raise Unreachable("the link is deleted by which it arrives")
        return Step(packet_of(values, at), "the packet", is_history=False)

    def _carried(self, steps: Mapping[int, Sequence[Step]]) -> dict[int, list[Seen]]:
        """Sends packets, and return what was on the links of each one's."""
        sent = [
            (None if step.by_host else self._cases[at][1][Variable.LINK], step.packet)
            for at, some in steps.items()
            for step in some
        ]

        def send() -> list[Captured]:
            with Wire(self._namespace.links) as wire:
                return wire.send(sent)

        found: dict[int, list[Seen]] = {at: [] for at in steps}
        for each in self._namespace.enter(send):
            at = int.from_bytes(each.packet[4:6], "big")
            for step in steps.get(at, ()):
                if are_alike(each.packet, step.packet):
                    found[at].append(Seen(each, step.says, step.is_history))
        return found


def are_alike(one: bytes, other: bytes) -> bool:
    """True if packets are equal but for what a router changes: time to live and the header's checksum."""
    return (one[:8], one[9], one[12:]) == (other[:8], other[9], other[12:])


def _concluded(values: Values, noted: Noted, before: Sequence[Seen], seen: Sequence[Seen]) -> Replay:
    if all(each.captured.is_out for each in seen):
        raise Unreplayable("A packet that was sent into the copy of the namespace did not arrive there.")
    left = [each.captured.link for each in seen if each.captured.is_out]
    fate = Fate.FORWARDED if left else Fate.DELIVERED if noted.is_delivered else Fate.DROPPED
    return Replay(values, fate, left[0] if left else "", noted.flows, noted.words, (*before, *seen))
