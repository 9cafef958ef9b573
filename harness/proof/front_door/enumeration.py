"""The claims, checked for one datagram after the other: every class of datagrams and of contents of the maps.

It shares the parsed rules with z3's formula (`formula`, `questions`), and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.proof.errors import Unmodelled
from harness.proof.front_door.cases import Case, case_of
from harness.proof.front_door.claims import (
    ANSWER,
    COOKIE,
    DATA,
    DESK,
    FIRST_AT,
    HANDED,
    INITIATION,
    INNER,
    KNOWN4,
    KNOWN6,
    OFFERS,
    REPLIED,
    SECOND_AT,
    SESSIONS,
    Claim,
)
from harness.proof.front_door.datagrams import World, values_of
from harness.proof.front_door.first_messages import on_first_messages
from harness.proof.front_door.interpreter import Machine
from harness.proof.front_door.judged import judged
from harness.proof.front_door.seen import Seen
from harness.proof.front_door.statements import IPV4, LO, LOCAL, UNICAST, Door

HOOKS = ("prerouting", "output")
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
    seen = Seen(door, end)
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


def _public_port(door: Door, desk: frozenset[int]) -> int:
    """A port that links' messages leave from."""

    def left_from(end: Machine) -> int | None:
        seen = Seen(door, end)
        is_found = seen.accepted and "udp sport" in end.written and seen.is_of_link
        return seen.final("udp sport") if is_found else None

    world = World(door, values_of(door, "output", desk))
    for port in judged(Machine(door, world, "output"), left_from):
        if port is not None:
            return port
    raise Unmodelled("a front door from which nothing leaves", "output")


def _inward(seen: Seen, public: int) -> Iterator[Claim]:
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


def _is_of_no_session(seen: Seen) -> bool:
    """True if the receiver's index of a message can be read and is in no map."""
    index = seen.index(SECOND_AT if seen.kind == ANSWER else FIRST_AT)
    maps = {DATA: (SESSIONS,), ANSWER: (OFFERS, SESSIONS), COOKIE: (OFFERS, SESSIONS)}.get(seen.kind or 0, ())
    return index is not None and bool(maps) and all(seen.named(name, index) is None for name in maps)


def _is_lost(seen: Seen, port: int | None) -> bool:
    """True if a message for a link's port does not arrive there."""
    is_known = port is not None and seen.is_in(INNER, port)
    return is_known and not (seen.accepted and seen.final("udp dport") == port)


def _on_delivery(seen: Seen, port: int, public: int) -> Iterator[Claim]:
    is_public, kind = seen.is_to(public), seen.kind
    to_link, to_desk = seen.is_in(INNER, port), seen.is_in(DESK, port)
    if is_public and kind == INITIATION and not (to_desk or port == public):
        yield Claim.FIRST
    if is_public and kind not in (INITIATION, ANSWER, COOKIE, DATA):
        yield Claim.CLOSED
    if to_link and seen.port("udp dport") == port and seen.world.field("meta iif") == LO:
        # The hub's process hands it over.
        return
    if not (to_link or to_desk):
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


def _on_entries_inward(seen: Seen) -> Iterator[Claim]:
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
        if name == SESSIONS and seen.named(SESSIONS, index) is not None:
            yield Claim.KEPT
    if any(seen.changes(*HANDED.values(), *REPLIED.values())):
        yield Claim.HANDED
    if any(seen.changes(KNOWN4, KNOWN6)):
        yield Claim.SOURCES


def _outward(seen: Seen, public: int) -> Iterator[Claim]:
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
        if seen.named(name, key) is not None:
            yield Claim.KEPT
    yield from on_first_messages(seen)
    yield from _on_sources(seen, sport, is_link=is_link and kind == ANSWER)
    if is_link and any(_wrong_on_leaving(seen, public)) and seen.is_of_link:
        yield from _wrong_on_leaving(seen, public)


def _wrong_on_leaving(seen: Seen, public: int) -> Iterator[Claim]:
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


def _on_sources(seen: Seen, sport: int, *, is_link: bool) -> Iterator[Claim]:
    is_4 = seen.world.field("meta nfproto") == IPV4
    to = seen.world.field("ip daddr") << 16 | seen.port("udp dport") if is_4 else seen.world.field("ip6 daddr")
    for name, key in seen.changes(KNOWN4, KNOWN6):
        before, now = seen.world.first_element(name, key), seen.world.element(name, key)
        is_own = is_link and key == to and name == (KNOWN4 if is_4 else KNOWN6)
        is_others = before.there and before.value != sport
        kept = now.there and now.value == before.value
        if not is_own or not (kept if is_others else not now.there or now.value == sport):
            yield Claim.SOURCES
