"""Sets and maps of the front door's table that packets fill, with their sizes and leases: pure.

See docs/decisions/0025 for their writers, their bounds, and the effects of a full one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SESSION_LEASE_S = 200
"""WireGuard refuses to use a session for longer than 180 s (REJECT_AFTER_TIME)."""

FIRST_WORD, SECOND_WORD = "@th,96,32", "@th,128,32"
"""The words behind a message's type."""

_OFFER_LEASE_S = 15
"""An initiation of the hub's own is repeated with another index after 5 s (REKEY_TIMEOUT)."""

_ASKED_LEASE_S = 15
"""WireGuard answers an initiation at once; a machine that gets no answer asks again after 5 s."""

_KNOWN_LEASE_S = 600
"""A machine that is connected shakes hands every 120 s (REKEY_AFTER_TIME)."""

_LINKS = 2**16
_SOURCES = 2**16
_KNOWN = 2**17


@dataclass(frozen=True)
class Memory:
    """A set or map that packets fill.

    Attributes:
        element_type: element type, as nftables writes it.
        size: largest number of elements; more are refused.
        lease_s: lifetime of an element.
        learns: True if packets fill it, not the hub alone.
    """

    name: str
    element_type: str
    size: int
    lease_s: int
    learns: bool = True

    @property
    def kind(self) -> str:
        """Keyword of nftables."""
        return "map" if " : " in self.element_type else "set"

    def declaration(self) -> str:
        """Declaration in nftables syntax."""
        flags = "flags dynamic,timeout; " if self.learns else ""
        return f"{self.kind} {self.name} {{ {self.element_type}; {flags}timeout {self.lease_s}s; size {self.size}; }}"


@dataclass(frozen=True)
class Meter:
    """A rate limit for each key: each element is a token bucket of its own.

    Attributes:
        element_type: type of the key, as nftables writes it.
        key: nftables expression that reads the key from a packet.
        rate: packets per second.
        burst: size of the bucket; packets.
        size: most keys at a time; packets with other keys pass without a limit.
    """

    name: str
    element_type: str
    key: str
    rate: int
    burst: int
    size: int

    @property
    def lease_s(self) -> int:
        """Lifetime of an idle bucket, in seconds; at least the time in which it refills."""
        return max(10, math.ceil(self.burst / self.rate))

    def declaration(self) -> str:
        """Declaration in nftables syntax."""
        return Memory(self.name, f"type {self.element_type}", self.size, self.lease_s).declaration()

    def over(self, what: str) -> str:
        """Rule that applies a statement to packets above the rate."""
        return f"update @{self.name} {{ {self.key} {limit(self.rate, self.burst)} }} {what}"


def limit(rate: int, burst: int) -> str:
    """Condition that matches packets above a rate (packets per second) and a burst (packets)."""
    return f"limit rate over {rate}/second burst {burst} packets"


SESSIONS = Memory("sessions", f"typeof {FIRST_WORD} : udp dport", 2**19, SESSION_LEASE_S)
OFFERS = Memory("offers", f"typeof {FIRST_WORD} : udp dport", 2**18, _OFFER_LEASE_S)
ASKED = Memory("asked", "type ipv4_addr . inet_service . inet_service : ipv4_addr", _SOURCES, _ASKED_LEASE_S)
HANDED_ON = {version: f"{ip} saddr . udp sport . udp dport . {FIRST_WORD}" for version, ip in ((4, "ip"), (6, "ip6"))}
"""Machine, link, and the machine's index in a first message that is handed on, by IP version."""

HANDED = {
    version: Memory(f"handed{version}", f"typeof {of}", _SOURCES, _ASKED_LEASE_S) for version, of in HANDED_ON.items()
}
"""First messages that the hub's process has handed to links."""

REPLIED = {
    version: Memory(f"replied{version}", f"typeof {of}", _SOURCES, _ASKED_LEASE_S) for version, of in HANDED_ON.items()
}
"""First messages that links have answered."""

RESUMED = {
    4: Memory("resumed4", "type ipv4_addr . inet_service : inet_service", _SOURCES, SESSION_LEASE_S, learns=False),
    6: Memory("resumed6", "type ipv6_addr . inet_service : inet_service", _SOURCES, SESSION_LEASE_S, learns=False),
}
KNOWN4 = Memory("known4", "type ipv4_addr . inet_service : inet_service", _KNOWN, _KNOWN_LEASE_S)
"""Sources that are known, and the one link that each is known for."""

# nftables 1.0.6 writes a value over the end of a key of more than 16 bytes, so over IPv6 it is addresses that have one.
KNOWN6 = Memory("known6", "type ipv6_addr . inet_service", _KNOWN, _KNOWN_LEASE_S)
LINKS6 = Memory("links6", "type ipv6_addr : inet_service", _KNOWN, _KNOWN_LEASE_S)
"""Addresses with known sources, and the one link that each is known for."""

ANSWERED4 = Memory("answered4", "type ipv4_addr . inet_service . inet_service", _KNOWN, _KNOWN_LEASE_S)
ANSWERED6 = Memory("answered6", "type ipv6_addr . inet_service", _KNOWN, _KNOWN_LEASE_S)
"""Known sources (IPv6: addresses) with their link: no other link can keep them known."""

KNOWN_SOURCES = (KNOWN4, ANSWERED4, KNOWN6, LINKS6, ANSWERED6)

STRANGERS = (
    Meter("strangers4", "ipv4_addr", "ip saddr", 20, 100, 2**16),
    Meter("strangers48", "ipv6_addr", "ip6 saddr & ffff:ffff:ffff::", 80, 400, 2**16),
    Meter("strangers56", "ipv6_addr", "ip6 saddr & ffff:ffff:ffff:ff00::", 40, 200, 2**16),
    Meter("strangers64", "ipv6_addr", "ip6 saddr & ffff:ffff:ffff:ffff::", 20, 100, 2**16),
)
"""Wider networks first, so that a flood from one network takes no place in the narrower meters."""

REGULARS = (
    Meter("regulars4", "ipv4_addr . inet_service", "ip saddr . udp sport", 5, 20, 2**16),
    Meter("regulars6", "ipv6_addr . inet_service", "ip6 saddr . udp sport", 5, 20, 2**16),
)

REGULARS_OF = Meter("regulars_of", "inet_service", "udp dport", 100, 1000, _LINKS)
"""Initiations of a link's known sources."""

BEGUN_OF = Meter("begun_of", "inet_service", "udp dport", 50, 4000, _LINKS)
"""Sessions of a link that the hub began: after it was made anew, all at once."""

OFFERED_OF = Meter("offered_of", "inet_service", "udp sport", 200, 10_000, _LINKS)
"""First messages of a link: after it was made anew, one to each machine at once."""

KNOWN_OF = Meter("known_of", "inet_service", "udp sport", 4, 1000, _LINKS)
"""Answers of a link that make a source known or keep it so."""

ALL_STRANGERS = (1000, 2000)
ALL_REGULARS = (2000, 8000)

LOCAL_STRANGERS = (20, 100)
"""First messages of this host's own programs, which have a network of addresses: 127.0.0.0/8."""

MEMORIES: tuple[Memory | Meter, ...] = (
    SESSIONS,
    OFFERS,
    ASKED,
    *HANDED.values(),
    *REPLIED.values(),
    *RESUMED.values(),
    *KNOWN_SOURCES,
    *STRANGERS,
    *REGULARS,
    REGULARS_OF,
    BEGUN_OF,
    OFFERED_OF,
    KNOWN_OF,
)
