"""Choice of one packet out of a class, and the packets that a kernel can be sent.

Of a class, some packets can't be sent: those with ports that connection tracking does not keep for their protocol, or
errors that quote no whole header. Others are chosen where there are any.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from harness.proof.classes import PacketClass
from harness.proof.fields import (
    ANSWERS,
    BY_OTHER,
    CONNECTED,
    ICMP,
    RELATED,
    REQUESTS,
    TCP,
    UDP,
    Flow,
    Variable,
    quoted_destination,
)
from harness.proof.meaning import ADDRESS_BITS
from harness.proof.routing import ALL_HOSTS, EVERYWHERE, RESERVED
from harness.proof.space import Space
from harness.proof.universe import ones

ICMPV6 = 58
# They have trackers of their own, which want more of a packet than that it is there (SCTP, DCCP, UDP-Lite).
_DEMANDING = {33, ICMPV6, 132, 136}
_REJECTABLE = (TCP, UDP, ICMP, ICMPV6)
"""Protocols of which connection tracking takes some packets for invalid: by their checksum, or by their type."""
_TRIES, _TRIES_OF_ADDRESS = 400, 8
_ONE_DIRECTION = "both directions of the connection are the same one"
_UNROUTED = tuple(end for each in RESERVED for end in (each.source, each.destination) if end != EVERYWHERE)


class Unreachable(Exception):
    """No packet that can be sent is in a state; the message says why."""


def is_ordinary(address: int) -> bool:
    """True if the kernel looks for a route to or from this address."""
    return not any(first <= address <= last for first, last in _UNROUTED)


def choose(
    packets: PacketClass,
    flow: Flow,
    space: Space,
    chance: random.Random,
    *,
    can_be_sent: bool = True,
    is_usual: bool = False,
) -> dict[Variable, int]:
    """Chooses a packet of one flow out of a class.

    Args:
        can_be_sent: only one that can be sent; otherwise any.
        is_usual: one without reserved addresses, if there is one.

    Returns:
        A value of each variable.

    Raises:
        Unreachable: none of them can be sent, or none was found.
    """
    return _Choice(packets, flow, space, chance, can_be_sent=can_be_sent, is_usual=is_usual).values()


class _Choice:
    def __init__(
        self,
        packets: PacketClass,
        flow: Flow,
        space: Space,
        chance: random.Random,
        *,
        can_be_sent: bool,
        is_usual: bool,
    ) -> None:
        self._packets = packets
        self._flow = flow
        self._space = space
        self._chance = chance
        self._is_free = not can_be_sent
        self._is_usual = is_usual
        self._atoms: dict[Variable, list[tuple[int, int]]] = {}

    def values(self) -> dict[Variable, int]:
        """A value of each variable."""
        problem = Unreachable("nothing to choose from")
        for protocol in self._protocols():
            try:
                found = self._of_protocol(protocol)
            except Unreachable as error:
                problem = error
            else:
                return {Variable.FLOW: int(self._flow), Variable.LINK: self._any(Variable.LINK), **found}
        raise problem

    def _of_protocol(self, protocol: int) -> dict[Variable, int]:
        headers = {Variable.PROTOCOL: protocol, **self._headers(protocol)}
        return {**headers, **self._ends(protocol, headers), Variable.QUOTED: self._quoted()}

    def _protocols(self) -> Sequence[int]:
        known = [self._atom(Variable.PROTOCOL, each)[0] for each in ones(self._packets.sets[Variable.PROTOCOL])]
        if self._is_free:
            return known
        if self._flow in (Flow.INVALID, Flow.UNTRACKED_LATE):
            found = [each for each in known if each in _REJECTABLE]
            problem = "connection tracking takes no packet of this protocol for invalid"
        else:
            found = [each for each in known if self._flow not in CONNECTED or each not in _DEMANDING]
            problem = "connection tracking wants more of a packet of this protocol"
        if not found:
            raise Unreachable(problem)
        return self._chance.sample(found, len(found))

    def _headers(self, protocol: int) -> dict[Variable, int]:
        """Ports, and type and code of ICMP, that a packet of this protocol can have together."""
        for _ in range(_TRIES):
            names = (Variable.TYPE, Variable.CODE, Variable.SOURCE_PORT, Variable.DESTINATION_PORT)
            found = {each: self._any(each) for each in names}
            if protocol in (TCP, UDP) or self._flow not in CONNECTED or self._is_free:
                return found
            if protocol == ICMP:
                found[Variable.DESTINATION_PORT] = self._port_of_icmp(found)
            else:
                found[Variable.SOURCE_PORT] = found[Variable.DESTINATION_PORT] = 0
            if all(self._has(each, value) for each, value in found.items()):
                return found
        raise Unreachable("connection tracking keeps no such port numbers for this protocol")

    def _port_of_icmp(self, found: dict[Variable, int]) -> int:
        """Type and code of what opens the connection, which are its port numbers."""
        kind, code = found[Variable.TYPE], found[Variable.CODE]
        if self._flow in RELATED:
            kind, code = self._chance.choice(sorted(REQUESTS)), self._chance.choice((0, self._chance.randrange(256)))
        elif self._flow is Flow.REPLY:
            kind = next(each for each, answer in ANSWERS.items() if answer == kind)
        return kind << 8 | code

    def _ends(self, protocol: int, headers: dict[Variable, int]) -> dict[Variable, int]:
        """Addresses that go together."""
        has_ports = protocol in (TCP, UDP) and headers[Variable.SOURCE_PORT] != headers[Variable.DESTINATION_PORT]
        has_directions = has_ports or protocol == ICMP or self._flow not in CONNECTED
        if not has_directions and not self._is_free and self._is_from_itself():
            # No try would find two addresses, and a class without ports has two hundred protocols.
            raise Unreachable(_ONE_DIRECTION)
        names = (Variable.SOURCE, Variable.DESTINATION, Variable.SENDER)
        for _ in range(_TRIES):
            found = {each: self._address(each) for each in names}
            if self._flow in BY_OTHER and not self._agree(found):
                continue
            if found[Variable.SOURCE] != found[Variable.DESTINATION] or has_directions or self._is_free:
                return found
        if self._flow in BY_OTHER:
            raise Unreachable("no two addresses were found that agree and differ as these have to")
        raise Unreachable(_ONE_DIRECTION)

    def _is_from_itself(self) -> bool:
        """True if source and destination can only be one and the same address."""
        ends = (end for each in (Variable.SOURCE, Variable.DESTINATION) for atom in self._own(each) for end in atom)
        return len(set(ends)) == 1

    def _agree(self, found: dict[Variable, int]) -> bool:
        """Has an error's sender and what it quotes agree, as the class says; False if they don't."""
        quoted = quoted_destination(self._flow)
        # Few pairs agree in some bits by chance.
        one, other = self._chance.sample((Variable.SENDER, quoted), 2)
        near = found[one] ^ self._chance.getrandbits(32) & ADDRESS_BITS & ~self._packets.agree
        if self._has(other, near):
            found[other] = near
        return agrees(self._packets, found[Variable.SENDER], found[quoted])

    def _quoted(self) -> int:
        values = [self._atom(Variable.QUOTED, each)[0] for each in ones(self._packets.sets[Variable.QUOTED])]
        whole = [each for each in values if each & 0xF >= 5]
        if not whole and self._flow in RELATED and not self._is_free:
            raise Unreachable("an error that quotes no whole header belongs to no connection")
        return self._chance.choice(whole or values)

    def _address(self, variable: Variable) -> int:
        tries = _TRIES_OF_ADDRESS if self._is_usual else 1
        values = (self._any(variable) for _ in range(tries))
        found = next(values)
        if is_ordinary(found) or not self._is_usual:
            return found
        other = ALL_HOSTS if self._has(variable, ALL_HOSTS) else found
        return next(filter(is_ordinary, values), other)

    def _any(self, variable: Variable) -> int:
        """A value out of the class's; two in three times it is an end of what nothing tells apart."""
        first, last = self._chance.choice(self._own(variable))
        return self._chance.choice((first, last, self._chance.randint(first, last)))

    def _own(self, variable: Variable) -> list[tuple[int, int]]:
        """The class's atoms of a variable: first and last value of each."""
        if variable not in self._atoms:
            self._atoms[variable] = [self._atom(variable, each) for each in ones(self._packets.sets[variable])]
        return self._atoms[variable]

    def _has(self, variable: Variable, value: int) -> bool:
        return self._space.of(variable).has(self._packets.sets[variable], value)

    def _atom(self, variable: Variable, number: int) -> tuple[int, int]:
        return self._space.of(variable).atom(number)


def agrees(packets: PacketClass, sender: int, quoted: int) -> bool:
    """True if these differ and agree in the bits in which a class says that they do."""
    differing = sender ^ quoted
    return bool(differing) and not differing & packets.agree and all(differing & bits for bits in packets.differ)


def covers(packets: PacketClass, values: Mapping[Variable, int], space: Space) -> bool:
    """True if a packet is in a class."""
    flow = Flow(values[Variable.FLOW])
    if not all(space.of(each).has(packets.sets[each], values[each]) for each in Variable):
        return False
    return flow not in BY_OTHER or agrees(packets, values[Variable.SENDER], values[quoted_destination(flow)])
