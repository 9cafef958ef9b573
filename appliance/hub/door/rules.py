"""The kernel's part of the front door, as nftables text: pure.

Every WireGuard message but the first of a handshake names the receiver's session by a random index of 32 bits. The
hub's own handshake messages announce that index on their way out, so the kernel learns from them, and only from them,
which inner port an index belongs to: WireGuard answers an initiation only after it has authenticated it and found it to
be no replay. What a stranger sends can't change where the packets of a session go, wherever it claims to come from, and
a machine that moves to another address keeps its session without a new handshake.

Initiations carry no index. They are paced, those of known sources (to which the hub has sent a handshake message) apart
from strangers', and go to the demultiplexer's sockets. What the demultiplexer hands on to a link tells which of the
host's addresses the machine asked, so that the link's answer comes from that one.

Source: https://www.wireguard.com/protocol/. A message's type is in its first four bytes, little endian; the sender's
index in the next four of types 1 and 2; the receiver's in the next four of types 3 and 4, and in the four after those
of type 2. nft(8) counts bits from the UDP header, which has 64.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

SESSION_LEASE_S = 200
"""WireGuard refuses to use a session for longer than 180 s (REJECT_AFTER_TIME)."""

_MEMENTO_LEASE = "3650d"
"""The kernel knows no element without an end in a map whose elements end."""

_OFFER_LEASE_S = 15
"""An initiation of the hub's own is repeated with another index after 5 s (REKEY_TIMEOUT)."""

_ASKED_LEASE_S = 15
"""WireGuard answers an initiation at once; who gets no answer asks again after 5 s."""

_KNOWN_LEASE_MIN = 30

# Whoever authenticates initiations as fast as all paces together allow can't fill the sessions: 1,200/s for 200 s. No
# more are handed on, so that what was asked within 15 s doesn't fill the sources either.
_SESSIONS = 2**18
_SOURCES = 2**16
_METERS = 2**14

_STRANGER_PACE = "50/second burst 200 packets"
_STRANGERS_PACE = "600/second burst 1200 packets"
_REGULAR_PACE = "5/second burst 20 packets"
_REGULARS_PACE = "600/second burst 2400 packets"

_INITIATION, _RESPONSE, _COOKIE, _DATA = 0x01000000, 0x02000000, 0x03000000, 0x04000000
_TYPE, _SECOND_WORD, _THIRD_WORD = "@th,64,32", "@th,96,32", "@th,128,32"

SESSIONS = "sessions"
ASKED = "asked"
INNER = "inner"
DESK = "desk"
RESUMED = {4: "resumed4", 6: "resumed6"}
KNOWN = {4: "known4", 6: "known6"}

MEMENTOS = {SESSIONS: ("0", 4), RESUMED[4]: ("0.0.0.0 . 0", 8), RESUMED[6]: (":: . 0", 20)}
"""In each map of sessions a key that is no session's and leads nowhere, and its bytes, all of them 0. Where one is
missing, somebody has emptied the map. WireGuard draws its indices at random: one of four billion is this one."""

DROPS = (
    "malformed",
    "sessionless",
    "dismissed",
    "closed",
    "stranger_pace",
    "strangers_pace",
    "regular_pace",
    "regulars_pace",
)
"""The counters, one for each reason to drop a packet."""

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class Flow:
    """A machine's session, known by where the machine was last heard from.

    Attributes:
        address: the machine's.
        port: the machine's.
        inner_port: the UDP port of its organization's link.
    """

    address: Address
    port: int
    inner_port: int


@dataclass(frozen=True)
class Layout:
    """What the rules depend on.

    Attributes:
        table: its name.
        public_port: UDP port that all organizations share.
        known_port: UDP port of the socket for initiations from known sources.
    """

    table: str
    public_port: int
    known_port: int


def objects(layout: Layout) -> str:
    """Counters, maps, sets, and chains without rules. Loading it over what is there and right changes nothing."""
    counters = "\n".join(f"    counter {name} {{\n    }}" for name in DROPS)
    families = "\n".join(
        f"""
    map {RESUMED[version]} {{
        type {kind} . inet_service : inet_service; timeout {SESSION_LEASE_S}s; size {_SOURCES};
    }}
    set {KNOWN[version]} {{
        type {kind} . inet_service; flags dynamic,timeout; timeout {_KNOWN_LEASE_MIN}m; size {_SOURCES};
    }}
    set strangers{version} {{
        type {kind}; flags dynamic,timeout; timeout 10s; size {_METERS};
    }}
    set regulars{version} {{
        type {kind} . inet_service; flags dynamic,timeout; timeout 10s; size {_METERS};
    }}"""
        for version, kind in ((4, "ipv4_addr"), (6, "ipv6_addr"))
    )
    chains = "\n".join(f"    chain {name} {{\n    }}" for name in _rules(layout) if name not in _HOOKS)
    hooks = "\n".join(
        f"    chain {name} {{\n        type {hook}; policy accept;\n    }}" for name, hook in _HOOKS.items()
    )
    return f"""
table inet {layout.table} {{
{counters}
    map {SESSIONS} {{
        typeof {_SECOND_WORD} : udp dport; flags dynamic,timeout; timeout {SESSION_LEASE_S}s; size {_SESSIONS};
    }}
    map {ASKED} {{
        type ipv4_addr . inet_service . inet_service : ipv4_addr;
        flags dynamic,timeout; timeout {_ASKED_LEASE_S}s; size {_SOURCES};
    }}
    set {INNER} {{
        type inet_service;
    }}
    set {DESK} {{
        type inet_service;
    }}
{families}
{chains}
{hooks}
}}
"""


def in_place(layout: Layout) -> str:
    """One transaction that makes the rules what they should be and keeps every session.

    No rule has an anonymous set: the kernel numbers those anew at each load, and a table could not be compared.

    The kernel refuses it where an object of a name that it needs is there and of another kind.
    """
    lines = [objects(layout), f"flush table inet {layout.table}", f"flush set inet {layout.table} {DESK}"]
    lines.append(f"add element inet {layout.table} {DESK} {{ {layout.known_port} }}")
    lines += [_memento(layout.table, name) for name in MEMENTOS]
    for chain, statements in _rules(layout).items():
        lines += [f"add rule inet {layout.table} {chain} {statement}" for statement in statements]
    return "\n".join(lines) + "\n"


def gone(table: str) -> str:
    """One transaction after which there is no such table."""
    return f"add table inet {table}\ndelete table inet {table}\n"


# A chain of type route looks for the way again where it has changed the mark.
_HOOKS = {
    "enter": "filter hook prerouting priority raw",
    "leave": "route hook output priority raw",
    "left": "filter hook output priority raw + 1",
}
_SENT_ANEW = 0x6D77


def _rules(layout: Layout) -> dict[str, tuple[str, ...]]:
    local = "fib daddr type local"
    return {
        "deliver": (
            f"udp dport @{INNER} accept",
            _drop("dismissed"),
        ),
        "resume": (
            f"udp dport set ip saddr . udp sport map @{RESUMED[4]} goto deliver",
            f"udp dport set ip6 saddr . udp sport map @{RESUMED[6]} goto deliver",
            _drop("sessionless"),
        ),
        "session": (
            f"udp dport set {_SECOND_WORD} map @{SESSIONS} goto deliver",
            "goto resume",
        ),
        "response": (
            # Accepted or not, it ends the hub's waiting: the session that may begin now has its own lease.
            (
                f"udp dport set {_THIRD_WORD} map @{SESSIONS} update @{SESSIONS} {{ {_THIRD_WORD} : udp dport }}"
                " goto deliver"
            ),
            "goto resume",
        ),
        "regulars": (
            f"update @regulars4 {{ ip saddr . udp sport limit rate over {_REGULAR_PACE} }} {_drop('regular_pace')}",
            f"update @regulars6 {{ ip6 saddr . udp sport limit rate over {_REGULAR_PACE} }} {_drop('regular_pace')}",
            f"limit rate over {_REGULARS_PACE} {_drop('regulars_pace')}",
            f"udp dport set {layout.known_port} accept",
        ),
        "initiation": (
            f"udp length != 156 {_drop('malformed')}",
            f"ip saddr . udp sport @{KNOWN[4]} goto regulars",
            f"ip6 saddr . udp sport @{KNOWN[6]} goto regulars",
            # A full set takes no new source: its initiations are only held to the pace of all strangers together.
            f"update @strangers4 {{ ip saddr limit rate over {_STRANGER_PACE} }} {_drop('stranger_pace')}",
            (
                f"update @strangers6 {{ ip6 saddr & ffff:ffff:ffff:ffff:: limit rate over {_STRANGER_PACE} }}"
                f" {_drop('stranger_pace')}"
            ),
            f"limit rate over {_STRANGERS_PACE} {_drop('strangers_pace')}",
            "accept",
        ),
        "public": (
            "notrack",
            f"{_TYPE} {_DATA} goto session",
            f"{_TYPE} {_INITIATION} goto initiation",
            f"{_TYPE} {_RESPONSE} goto response",
            f"{_TYPE} {_COOKIE} goto session",
            _drop("malformed"),
        ),
        "enter": (
            # A host that forwards may carry other people's packets to a port of the same number.
            f"udp dport {layout.public_port} {local} goto public",
            f'iif "lo" udp dport @{INNER} notrack accept',
            f"udp dport @{INNER} {local} {_drop('closed')}",
            f'iif != "lo" udp dport @{DESK} {local} {_drop("closed")}',
        ),
        "answer": (
            "notrack",
            f"{_TYPE} {_DATA} udp sport set {layout.public_port} accept",
            # WireGuard answers a first message, which came by way of the demultiplexer, by the link that has the
            # address that it was sent to. The machine may be behind another one.
            f"meta mark set {_SENT_ANEW:#x}",
            # The kernel's WireGuard forgets the address of IPv4 over that (drivers/net/wireguard/socket.c, send4).
            f"ip saddr set ip daddr . udp dport . udp sport map @{ASKED}",
            f"{_TYPE} {_RESPONSE} update @{SESSIONS} {{ {_SECOND_WORD} : udp sport }}",
            f"{_TYPE} {_INITIATION} update @{SESSIONS} {{ {_SECOND_WORD} timeout {_OFFER_LEASE_S}s : udp sport }}",
            f"{_TYPE} {_INITIATION} goto acquaint",
            f"{_TYPE} {_RESPONSE} goto acquaint",
            f"udp sport set {layout.public_port}",
        ),
        "acquaint": (
            f"update @{KNOWN[4]} {{ ip daddr . udp dport }}",
            f"update @{KNOWN[6]} {{ ip6 daddr . udp dport }}",
            f"udp sport set {layout.public_port}",
        ),
        "hand_on": (
            f"update @{ASKED} {{ ip saddr . udp sport . udp dport : ip daddr }}",
            "notrack accept",
        ),
        "leave": (
            # What the demultiplexer hands over has the machine's port for its source, which may look like an inner one.
            f'oif "lo" udp dport @{INNER} goto hand_on',
            f"udp sport @{INNER} goto answer",
        ),
        "left": (f"meta mark {_SENT_ANEW:#x} meta mark set 0x0",),
    }


def _drop(reason: str) -> str:
    return f"counter name {reason} drop"


def admitted(table: str, ports: Iterable[int]) -> str:
    """Lets packets through to these inner ports, and closes them to the outside."""
    return _elements("add", table, INNER, map(str, sorted(ports)))


def dismissed(table: str, ports: Iterable[int]) -> str:
    """Drops what still leads to these inner ports. They must be admitted now."""
    return _elements("delete", table, INNER, map(str, sorted(ports)))


def resumed(table: str, flows: Iterable[Flow]) -> str:
    """One transaction: sessions whose index is not known are found by their source, these and no others."""
    ports: dict[tuple[Address, int], int] = {}
    for flow in flows:
        ports.setdefault((flow.address, flow.port), flow.inner_port)
    return "".join(
        f"flush map inet {table} {RESUMED[version]}\n{_memento(table, RESUMED[version])}\n"
        + _elements("add", table, RESUMED[version], (f"{a} . {p} : {inner}" for (a, p), inner in found.items()))
        + _elements("add", table, KNOWN[version], (f"{a} . {p}" for a, p in found))
        for version in (4, 6)
        for found in [{key: inner for key, inner in ports.items() if key[0].version == version}]
    )


def _memento(table: str, name: str) -> str:
    return f"add element inet {table} {name} {{ {MEMENTOS[name][0]} timeout {_MEMENTO_LEASE} : 0 }}"


def _elements(verb: str, table: str, name: str, elements: Iterable[str]) -> str:
    text = ", ".join(elements)
    return f"{verb} element inet {table} {name} {{ {text} }}\n" if text else ""
