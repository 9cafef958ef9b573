"""The claims, checked for one datagram after the other: every class of datagrams and of contents of the maps.

It shares the parsed rules with z3's formula (`formula`, `questions`), and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.proof.errors import Unmodelled
from harness.proof.front_door.cases import Case, case_of
from harness.proof.front_door.claims import (
    ANSWER,
    COOKIE,
    DATA,
    DESK,
    FIRST_AT,
    GIVEN4,
    GIVEN6,
    INITIATION,
    INNER,
    KIND_AT,
    KNOWN4,
    KNOWN6,
    OFFERS,
    SECOND_AT,
    SESSIONS,
    Claim,
)
from harness.proof.front_door.datagrams import World, values_of
from harness.proof.front_door.interpreter import Machine
from harness.proof.front_door.judged import judged
from harness.proof.front_door.statements import IPV4, LOCAL, SLICES, UDP, UNICAST, Door

HOOKS = ("prerouting", "output")
_LO = 1
_HEADER = 8


@dataclass(frozen=True)
class Contradiction:
    """A datagram that contradicts a claim."""

    claim: Claim
    world: World
    trace: tuple[str, ...]
    case: Case


@dataclass(frozen=True)
class Outcome:
    """Result of all runs.

    Attributes:
        runs: number of classes of datagrams and contents, up to the contradiction if there is one.
    """

    runs: int
    contradiction: Contradiction | None = None


def enumerate_all(door: Door, desk: frozenset[int]) -> Outcome:
    """Checks every claim in every class, up to the first contradiction.

    Args:
        desk: ports of the hub's process for known sources.

    Raises:
        Unmodelled: nothing leaves the door, or there are too many classes.
    """
    public = _public_port(door, desk)
    number = 0
    for hook in HOOKS:
        world = World(door, values_of(door, hook, desk, public))
        for found in judged(Machine(door, world, hook), lambda end: next(contradictions(door, end, public), None)):
            number += 1
            if found is not None:
                return Outcome(number, found)
    return Outcome(number)


def contradictions(door: Door, end: Machine, public: int) -> Iterator[Contradiction]:
    """Yields each claim that a datagram contradicts, after its way through the rules of a hook."""
    seen = _Seen(door, end)
    for claim in _inward(seen, public) if end.hook == "prerouting" else _outward(seen, public):
        yield Contradiction(claim, end.world, tuple(end.trace), case_of(end))


def cases(door: Door, desk: frozenset[int]) -> Iterator[Case]:
    """Yields one datagram of each class, with contents of each class: what rules tell apart.

    Raises:
        Unmodelled: nothing leaves the door, or there are too many classes.
    """
    public = _public_port(door, desk)
    for hook in HOOKS:
        world = World(door, values_of(door, hook, desk, public))
        yield from judged(Machine(door, world, hook), case_of)


class _Seen:
    """A datagram after the rules of a hook, beside what it was."""

    def __init__(self, door: Door, end: Machine) -> None:
        self.world = end.world
        self.machine = end
        self.accepted = end.accepted
        self.address = door.address

    def port(self, name: str) -> int:
        """A port as it came."""
        return self.world.bits(*SLICES[name])

    def final(self, name: str) -> int:
        """A port in the end."""
        return self.machine.written.get(name, self.port(name))

    def is_to(self, public: int) -> bool:
        """True if it came to the public port, of the door's address where it has only one."""
        return self.port("udp dport") == public and self._is_of_its_family() and self._has_address("daddr", {})

    def is_from_the_address(self) -> bool:
        """True if it leaves from the door's address, or the door has any, or it is of the other protocol."""
        return not self._is_of_its_family() or self._has_address("saddr", self.machine.written)

    def _is_of_its_family(self) -> bool:
        return self.address is None or self.world.field("meta nfproto") == self.address.family

    def _has_address(self, end: str, written: Mapping[str, int]) -> bool:
        if self.address is None:
            return True
        name = f"{self.address.protocol} {end}"
        return written.get(name, self.world.field(name)) == self.address.value

    @property
    def is_udp(self) -> bool:
        return self.world.field("meta l4proto") == UDP and self.world.readable >= _HEADER

    @property
    def kind(self) -> int | None:
        """First word of the message; None if it can't be read."""
        return self._word(KIND_AT)

    def index(self, at: int) -> int | None:
        """An index of the message; None if it can't be read."""
        return self._word(at)

    def _word(self, at: int) -> int | None:
        return self.world.bits(at, 32) if 8 * self.world.readable >= at + 32 else None

    def named(self, name: str, index: int | None) -> int | None:
        """The port that an entry named before the datagram came; None if there is no entry."""
        if index is None:
            return None
        element = self.world.first_element(name, index)
        return element.value if element.there else None

    def given(self) -> int | None:
        """The port that the hub's process has for the source; None if it has none."""
        is_4 = self.world.field("meta nfproto") == IPV4
        name, address = (GIVEN4, "ip saddr") if is_4 else (GIVEN6, "ip6 saddr")
        return self.named(name, self.world.field(address) << 16 | self.port("udp sport"))

    def is_in(self, name: str, port: int) -> bool:
        return self.world.first_element(name, port).there

    def changes(self, *names: str) -> Iterator[tuple[str, int]]:
        """Entries of some maps that were made, renewed, changed or removed."""
        for (name, key), after in tuple(self.world.after.items()):
            before = self.world.before[name, key]
            changed = after.there and (after.renewed or after.value != before.value)
            if name in names and (changed or before.there != after.there):
                yield name, key


def _public_port(door: Door, desk: frozenset[int]) -> int:
    """A port that links' messages leave from."""

    def left_from(end: Machine) -> int | None:
        seen = _Seen(door, end)
        is_found = seen.accepted and "udp sport" in end.written and _is_of_link(seen)
        return seen.final("udp sport") if is_found else None

    world = World(door, values_of(door, "output", desk))
    for port in judged(Machine(door, world, "output"), left_from):
        if port is not None:
            return port
    raise Unmodelled("a front door from which nothing leaves", "output")


def _inward(seen: _Seen, public: int) -> Iterator[Claim]:
    """Claims that a datagram which arrives contradicts."""
    yield from _on_entries_inward(seen)
    if not seen.is_udp:
        return
    is_public, kind = seen.is_to(public), seen.kind
    if seen.accepted and seen.world.field("fib daddr type") != UNICAST:
        yield from _on_delivery(seen, seen.final("udp dport"), public)
    if not is_public or seen.world.field("fib daddr type") != LOCAL:
        return
    if kind == DATA and _is_lost(seen, seen.named(SESSIONS, seen.index(FIRST_AT))):
        yield Claim.ARRIVES
    if _is_of_no_session(seen) and _is_lost(seen, seen.given()):
        yield Claim.RESUMES


def _is_of_no_session(seen: _Seen) -> bool:
    """True if the receiver's index of a message can be read and is in no map."""
    index = seen.index(SECOND_AT if seen.kind == ANSWER else FIRST_AT)
    maps = {DATA: (SESSIONS,), ANSWER: (OFFERS, SESSIONS), COOKIE: (OFFERS, SESSIONS)}.get(seen.kind or 0, ())
    return index is not None and bool(maps) and all(seen.named(name, index) is None for name in maps)


def _is_lost(seen: _Seen, port: int | None) -> bool:
    """True if a message for a link's port does not arrive there."""
    is_known = port is not None and seen.is_in(INNER, port)
    return is_known and not (seen.accepted and seen.final("udp dport") == port)


def _on_delivery(seen: _Seen, port: int, public: int) -> Iterator[Claim]:
    is_public, kind = seen.is_to(public), seen.kind
    to_link, to_desk = seen.is_in(INNER, port), seen.is_in(DESK, port)
    if is_public and kind == INITIATION and not (to_desk or port == public):
        yield Claim.FIRST
    if is_public and kind not in (INITIATION, ANSWER, COOKIE, DATA):
        yield Claim.CLOSED
    if not (to_link or to_desk) or (seen.port("udp dport") == port and seen.world.field("meta iif") == _LO):
        return
    if not is_public or kind not in ((ANSWER, COOKIE, DATA) if to_link else (INITIATION,)):
        yield Claim.CLOSED
    if to_link and kind == DATA:
        session = seen.named(SESSIONS, seen.index(FIRST_AT))
        if port != (seen.given() if session is None else session):
            yield Claim.DATA
    if to_link and kind in (ANSWER, COOKIE):
        index = seen.index(SECOND_AT if kind == ANSWER else FIRST_AT)
        if port not in (seen.named(OFFERS, index), seen.named(SESSIONS, index), seen.given()):
            yield Claim.ANSWERS
    if to_link and not seen.machine.untracked:
        yield Claim.UNTRACKED


def _on_entries_inward(seen: _Seen) -> Iterator[Claim]:
    """Only the first answer to an offer changes entries, and it leaves none that others own."""
    for name, index in seen.changes(SESSIONS, OFFERS):
        answered = seen.kind == ANSWER and seen.index(SECOND_AT) == index
        offered = seen.named(OFFERS, index)
        if not answered or offered is None or seen.world.element(OFFERS, index).there:
            yield Claim.ENTRIES
        now = seen.world.element(name, index)
        owners = {seen.named(each, index) for each in (SESSIONS, OFFERS)}
        if now.there and now.value not in owners:
            yield Claim.OWNER
        if name == SESSIONS and now.there and now.value != offered:
            yield Claim.ENTRIES
    if any(seen.changes(KNOWN4, KNOWN6)):
        yield Claim.SOURCES


def _outward(seen: _Seen, public: int) -> Iterator[Claim]:
    """Claims that a datagram which this host sends contradicts."""
    sport, kind, index = seen.port("udp sport"), seen.kind, seen.index(FIRST_AT)
    is_link = seen.is_udp and seen.is_in(INNER, sport)
    for name, key in seen.changes(SESSIONS, OFFERS):
        now = seen.world.element(name, key)
        wanted = ANSWER if name == SESSIONS else INITIATION
        is_own = is_link and kind == wanted and key == index
        if not is_own or (now.there and now.value != sport):
            yield Claim.ENTRIES
        owners = {seen.named(each, key) for each in (SESSIONS, OFFERS)}
        gives_out = is_link and key == index and kind in (INITIATION, ANSWER)
        if now.there and now.value not in owners and not (gives_out and now.value == sport):
            yield Claim.OWNER
    yield from _on_sources(seen, sport, is_link=is_link and kind == ANSWER)
    if is_link and any(_wrong_on_leaving(seen, public)) and _is_of_link(seen):
        yield from _wrong_on_leaving(seen, public)


def _wrong_on_leaving(seen: _Seen, public: int) -> Iterator[Claim]:
    """Claims that it contradicts if a link sends it."""
    sport, index = seen.port("udp sport"), seen.index(FIRST_AT)
    if seen.accepted and seen.kind == ANSWER and index is not None:
        left = seen.world.element(SESSIONS, index)
        if left.there and left.value != sport:
            yield Claim.NEWEST
    if seen.accepted and seen.final("udp sport") != public:
        yield Claim.LEAVING
    if seen.accepted and seen.kind == DATA and not seen.is_from_the_address():
        yield Claim.ADDRESS
    if seen.accepted and not seen.machine.untracked:
        yield Claim.UNTRACKED


def _on_sources(seen: _Seen, sport: int, *, is_link: bool) -> Iterator[Claim]:
    is_4 = seen.world.field("meta nfproto") == IPV4
    to = seen.world.field("ip daddr") << 16 | seen.port("udp dport") if is_4 else seen.world.field("ip6 daddr")
    for name, key in seen.changes(KNOWN4, KNOWN6):
        before, now = seen.world.first_element(name, key), seen.world.element(name, key)
        is_own = is_link and key == to and name == (KNOWN4 if is_4 else KNOWN6)
        is_others = before.there and before.value != sport
        kept = now.there and now.value == before.value
        if not is_own or not (kept if is_others else not now.there or now.value == sport):
            yield Claim.SOURCES


def _is_of_link(seen: _Seen) -> bool:
    """True if a link sends it: nobody else has its port, and the source is the host's own address."""
    is_own = seen.is_udp and seen.is_in(INNER, seen.port("udp sport"))
    return is_own and seen.world.field("fib saddr type") == LOCAL
