"""Real datagrams through a copy of a front door, each among the elements that its case has."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from harness.proof.choice import Unreachable
from harness.proof.front_door.cases import Case
from harness.proof.front_door.claims import DESK, INNER
from harness.proof.front_door.datagrams import Element
from harness.proof.front_door.reading import DoorReading
from harness.proof.front_door.replay import observer
from harness.proof.front_door.replay.copy import DoorCopy, Setting, namespace_of, setting_of
from harness.proof.front_door.replay.packets import is_of_ipv4, packet_of
from harness.proof.front_door.statements import LO
from harness.proof.replay.errors import Unreplayable
from harness.proof.replay.wire import Captured, Way, Wire
from netlab import kernel

_DEADLINE_S = 10.0
_IPV4_FRAMES, _IPV6_FRAMES = 0x0800, 0x86DD
_IPV6_HDRINCL = 36


@dataclass(frozen=True)
class Replay:
    """Fate of a real datagram.

    Attributes:
        passed: the rules let it pass.
        final: source port, destination port and mark that it passed with; None if it is too short for ports.
        untracked: connection tracking did not see it.
        elements: afterwards, by the set's name and key; others are not there.
        sockets: ports of the sockets that it came to.
        sent: as it was sent.
        seen: what was on the copy's links.
    """

    passed: bool
    final: tuple[int, int, int] | None
    untracked: bool
    elements: Mapping[tuple[str, int], Element]
    sockets: frozenset[int]
    sent: bytes
    seen: tuple[Captured, ...]


Outcome = Replay | Unreachable


def replay(reading: DoorReading, cases: Sequence[Case]) -> list[Outcome]:
    """Sends the datagrams of cases, each through a copy of the table with the case's elements in it.

    Returns:
        What became of each; the reason if it can't be sent.

    Raises:
        Unreplayable: the front door can't be copied here.
        Unmodelled: a part of it has no meaning in the proof.
    """
    door = reading.parsed()
    outcomes: dict[int, Outcome] = {}
    with namespace_of(reading, door) as (namespaces, links, tuns):

        def inside() -> None:
            copy = DoorCopy(reading, links, tuns)
            copy.prepare()
            by_setting: dict[Setting, list[tuple[int, bytes]]] = {}
            for number, case in enumerate(cases):
                try:
                    if not case.is_consistent:
                        raise Unreachable("a rate or a set that is full for one rule and not for another")
                    found = setting_of(case, copy.rates), packet_of(case, door)
                except Unreachable as error:
                    outcomes[number] = error
                else:
                    by_setting.setdefault(found[0], []).append((number, found[1]))
            with contextlib.closing(copy), Wire(tuns) as wire:
                sender = _Sender(copy, wire)
                for setting, some in by_setting.items():
                    copy.load(setting)
                    for number, packet in some:
                        if setting.sizes:
                            # The kernel counts elements for a while after they are gone.
                            copy.empty(setting)
                        outcomes[number] = sender.outcome(cases[number], packet)

        namespaces.enter(inside)
    return [outcomes[number] for number in range(len(cases))]


class _Sender:
    def __init__(self, copy: DoorCopy, wire: Wire) -> None:
        self._copy = copy
        self._wire = wire

    def outcome(self, case: Case, packet: bytes) -> Replay:
        """Sends one, and looks what became of it."""
        copy = self._copy
        copy.fill(case)
        ports = {case.written.get("udp dport", int.from_bytes(case.header[2:4], "big"))}
        ports |= {key for (name, key), each in case.before.items() if name in (INNER, DESK) and each.there}
        copy.listen(ports)
        seen = self._sent(case, packet)
        noted = {name: copy.listed(observer.TABLE, name).get("elem", ()) for name in observer.SETS}
        finals = [tuple(map(int, each["concat"])) for each in noted["seen"]]
        elements = {
            (name, key): element
            for name in sorted({name for name, _ in case.after} - {DESK, INNER})
            for key, element in copy.forms[name].read(copy.listed(copy.table, name, copy.forms[name].kind))
        }
        return Replay(
            bool(noted["passed"]),
            (finals[0][0], finals[0][1], finals[0][2]) if finals else None,
            bool(noted["untracked"]),
            elements,
            frozenset(copy.received()),
            packet,
            tuple(seen),
        )

    def _sent(self, case: Case, packet: bytes) -> list[Captured]:
        if case.hook == "output":
            link = self._copy.link(case.fields["meta oif"])
            return self._wire.send([(_by_host(case, self._copy.name(link)), packet)])
        link = self._copy.link(case.fields["meta iif"])
        if link != LO:
            return self._wire.send([(link, packet)])
        seen = self._wire.send([(_over_lo(case), packet)])
        deadline = time.monotonic() + _DEADLINE_S
        while not any(each.packet == packet and not each.is_out for each in seen):
            if time.monotonic() > deadline:
                raise Unreplayable("A datagram that was sent over lo did not arrive there.")
            seen += self._wire.send([])
        return seen


def _by_host(case: Case, link: str) -> Way:
    """Sends a packet as the host itself does, by a link."""

    def send(packet: bytes) -> None:
        is_4 = is_of_ipv4(case)
        family = socket.AF_INET if is_4 else socket.AF_INET6
        with _raw_socket(family, case.fields["meta skuid"]) as raw:
            if not is_4:
                raw.setsockopt(socket.IPPROTO_IPV6, _IPV6_HDRINCL, 1)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, case.fields["meta mark"])
            to = str(IPv4Address(packet[16:20])) if is_4 else str(IPv6Address(packet[24:40]))
            # What the rules drop is refused.
            with contextlib.suppress(PermissionError):
                raw.sendto(packet, (to, 0))

    return send


def _raw_socket(family: int, user: int) -> socket.socket:
    """Opens a raw socket that is a user's for the rules: what counts is the user for access to files (setfsuid(2))."""
    before = kernel.setfsuid(user)
    try:
        return socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    finally:
        kernel.setfsuid(before)


def _over_lo(case: Case) -> Callable[[bytes], None]:
    """Sends a packet that arrives by lo, past the hook of what the host sends."""

    def send(packet: bytes) -> None:
        frames = _IPV4_FRAMES if is_of_ipv4(case) else _IPV6_FRAMES
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as opened:
            opened.sendto(packet, ("lo", frames, 0, 0, bytes(6)))

    return send


def differences(case: Case, real: Replay) -> Iterator[str]:
    """Says in what a real datagram's fate is another one than was computed."""
    if real.passed != case.accepted:
        yield f"it {'passes' if real.passed else 'is dropped'}"
        return
    if case.accepted and real.untracked != case.untracked:
        yield f"connection tracking {'does not see' if real.untracked else 'sees'} it"
    if case.accepted and real.final is not None:
        sport, dport = (int.from_bytes(case.header[at : at + 2], "big") for at in (0, 2))
        written = case.written
        wanted = (
            written.get("udp sport", sport),
            written.get("udp dport", dport),
            written.get("meta mark", case.fields["meta mark"]),
        )
        if real.final != wanted:
            yield f"it passes with ports and mark {real.final}, not {wanted}"
    for (name, key), element in case.after.items():
        if name in (DESK, INNER):
            continue
        found = real.elements.get((name, key), Element(there=False))
        if found.there != element.there or (found.there and found.value != element.value):
            yield f"the entry {key:#x} of {name} is {_text(found)}, not {_text(element)}"
        elif element.there and case.before[name, key].there and found.renewed != element.renewed:
            yield f"the entry {key:#x} of {name} is {'' if found.renewed else 'not '}renewed"


def _text(element: Element) -> str:
    return f"there with {element.value}" if element.there else "missing"
