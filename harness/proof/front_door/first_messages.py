"""Claims about first messages that are handed to links, checked for one datagram after the other."""

from __future__ import annotations

from collections.abc import Iterator

from harness.proof.front_door.claims import ANSWER, FIRST_AT, HANDED, INNER, REPLIED, SECOND_AT, SESSIONS, Claim
from harness.proof.front_door.seen import Seen
from harness.proof.front_door.statements import IPV4, LO, ROOT


def on_first_messages(seen: Seen) -> Iterator[Claim]:
    """Yields the claims about what is handed to links, and what they answer to it, that a datagram contradicts."""
    sport, dport = seen.port("udp sport"), seen.port("udp dport")
    is_link = seen.is_udp and seen.is_in(INNER, sport)
    is_over_lo = seen.is_udp and seen.world.field("meta oif") == LO
    is_by_root = seen.world.field("meta skuid") == ROOT
    if is_over_lo and seen.accepted and seen.is_in(INNER, seen.final("udp dport")) and not is_by_root:
        yield Claim.HANDED
    version = 4 if seen.world.field("meta nfproto") == IPV4 else 6
    handed, replied = HANDED[version], REPLIED[version]
    first = _key_of_first_message(seen, "saddr", (sport, dport), FIRST_AT)
    answered = _key_of_first_message(seen, "daddr", (dport, sport), SECOND_AT)
    for name, key in seen.changes(*HANDED.values(), *REPLIED.values()):
        is_there = seen.world.element(name, key).there
        is_handed = is_over_lo and is_by_root and seen.is_in(INNER, dport) and key == first
        is_answered = is_link and seen.kind == ANSWER and key == answered
        if not (
            (name == handed and is_handed and is_there)
            or (name == replied and (is_answered if is_there else is_handed))
        ):
            yield Claim.HANDED
    makes_session = any(name == SESSIONS for name, _ in seen.changes(SESSIONS))
    leaves = is_link and seen.accepted and seen.kind == ANSWER and seen.is_of_link
    if (makes_session or leaves) and not (
        is_link
        and answered is not None
        and seen.world.first_element(handed, answered).there
        and not seen.world.first_element(replied, answered).there
        and seen.world.element(replied, answered).there
    ):
        yield Claim.ASKED


def _key_of_first_message(seen: Seen, end: str, ports: tuple[int, int], at: int) -> int | None:
    """Key of a first message: machine, link, and the machine's index; None if there is none.

    Args:
        end: which address is the machine's.
        ports: of the machine and the link.
        at: first bit of the index.
    """
    index = seen.index(at)
    if index is None:
        return None
    protocol = "ip" if seen.world.field("meta nfproto") == IPV4 else "ip6"
    key = seen.world.field(f"{protocol} {end}")
    return ((key << 16 | ports[0]) << 16 | ports[1]) << 32 | index
