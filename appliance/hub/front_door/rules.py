"""The rules of the front door's table, as nftables text: pure.

Every WireGuard message but the first of a handshake names the receiver's session by a random index of 32 bits. The
hub's own handshake messages announce that index on their way out, so the kernel learns from them, and only from them,
which inner port an index belongs to: WireGuard answers an initiation only after it has authenticated it and found it to
be no replay. What a stranger sends can't change where the packets of a session go, wherever it claims to come from, and
a machine that moves to another address keeps its session without a new handshake. Nothing that comes in makes an entry
last longer. An index that the hub offers in an initiation of its own becomes a session's with the first answer to it,
once.

No index is given out twice: what names one that is in a map already is dropped, whichever link sends it. So no link
takes or ends another's session, and WireGuard tries again with another index. A link's answer leaves only if the
demultiplexer has handed on what it answers, once for each. So a link makes no more sessions than its organization's
share of handshakes allows, whoever controls its process.

Initiations carry no index. They are paced, those of known sources (which WireGuard has answered, so that they have
authenticated themselves) apart from strangers', and go to the demultiplexer's sockets. A known source is known for one
link, and has that link's pace; what is beyond it waits with strangers. What the demultiplexer hands on to a link tells
which of the host's addresses the machine asked, so that the link's answer comes from that one.

Source: https://www.wireguard.com/protocol/. A message's type is in its first four bytes, little endian; the sender's
index in the next four of types 1 and 2; the receiver's in the next four of types 3 and 4, and in the four after those
of type 2. nft(8) counts bits from the UDP header, which has 64.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from appliance.hub.front_door.memory import (
    ALL_REGULARS,
    ALL_STRANGERS,
    ANSWERED4,
    ANSWERED6,
    ASKED,
    BEGUN_OF,
    FIRST_WORD,
    HANDED,
    HANDED_ON,
    KNOWN4,
    KNOWN6,
    KNOWN_OF,
    LINKS6,
    LOCAL_STRANGERS,
    OFFERED_OF,
    OFFERS,
    REGULARS,
    REGULARS_OF,
    REPLIED,
    RESUMED,
    SECOND_WORD,
    SESSIONS,
    STRANGERS,
    limit,
)
from appliance.hub.front_door.outcomes import counted, dropped

_INITIATION, _RESPONSE, _COOKIE, _DATA = 0x01000000, 0x02000000, 0x03000000, 0x04000000
_TYPE = "@th,64,32"

INNER = "inner"
DESK = "desk"


@dataclass(frozen=True)
class Layout:
    """Parameters of the table.

    Attributes:
        table: name of the nftables table.
        public_port: UDP port that all organizations share.
        known_port: UDP port of the socket for initiations from known sources.
        address: the door's only address, from which its links send whatever they send; None: the host's addresses,
            each answered from itself.
    """

    table: str
    public_port: int
    known_port: int
    address: IPv4Address | IPv6Address | None = None

    @property
    def of_the_door(self) -> str:
        """Condition of packets with the door's address and port."""
        of_address = "" if self.address is None else f"{family_of(self.address)} daddr {self.address} "
        return f"{of_address}udp dport {self.public_port}"

    @property
    def to_the_door(self) -> str:
        """Condition of packets that come to the public port."""
        return f"{self.of_the_door} fib daddr type local"

    @property
    def from_the_door(self) -> tuple[str, ...]:
        """Statement that makes a link's packet come from the door's address."""
        return () if self.address is None else (f"{family_of(self.address)} saddr set {self.address}",)


# A chain of type route looks for the way again where it has changed the mark.
HOOKS = {
    "enter": "filter hook prerouting priority raw",
    "leave": "route hook output priority raw",
    "left": "filter hook output priority raw + 1",
}
_SENT_ANEW = 0x6D77
_NOT_FORWARDED = "fib daddr type != unicast"

_ASKING = "ip saddr . udp sport . udp dport"
_ANSWERED = {version: f"{ip} daddr . udp dport . udp sport . {SECOND_WORD}" for version, ip in ((4, "ip"), (6, "ip6"))}
"""Machine, link, and the machine's index in the link's answer to a first message, by IP version."""


def chains_of(layout: Layout) -> dict[str, tuple[str, ...]]:
    """Rules of each chain."""
    return {**_chains_of_what_arrives(layout), **_chains_of_what_links_send(layout), **_chains_of_what_is_handed_on()}


def _chains_of_what_arrives(layout: Layout) -> dict[str, tuple[str, ...]]:
    """Rules for packets from outside: each goes to the link of its session, to the demultiplexer, or nowhere."""
    return {
        "deliver": (
            f"udp dport @{INNER} accept",
            dropped("dismissed"),
        ),
        "resume": (
            f"udp dport set ip saddr . udp sport map @{RESUMED[4].name} goto deliver",
            f"udp dport set ip6 saddr . udp sport map @{RESUMED[6].name} goto deliver",
            dropped("sessionless"),
        ),
        "session": (
            f"udp dport set {FIRST_WORD} map @{SESSIONS.name} goto deliver",
            "goto resume",
        ),
        "cookie": (
            f"udp dport set {FIRST_WORD} map @{OFFERS.name} goto deliver",
            "goto session",
        ),
        "response": (
            f"udp dport set {SECOND_WORD} map @{OFFERS.name} goto begin",
            f"udp dport set {SECOND_WORD} map @{SESSIONS.name} goto deliver",
            "goto resume",
        ),
        "begin": (
            # Accepted or not, it ends the hub's waiting: the session that may begin now has its own lease.
            f"delete @{OFFERS.name} {{ {SECOND_WORD} : udp dport }}",
            BEGUN_OF.over(f"{counted('begun_of')} goto deliver"),
            f"add @{SESSIONS.name} {{ {SECOND_WORD} : udp dport }}",
            "goto deliver",
        ),
        "regulars": (
            *(each.over(dropped("regular_pace")) for each in REGULARS),
            REGULARS_OF.over(f"{counted('regulars_of')} goto strangers"),
            f"{limit(*ALL_REGULARS)} {counted('regulars_pace')} goto strangers",
            f"udp dport set {layout.known_port} accept",
        ),
        "strangers": (
            f'iif "lo" {limit(*LOCAL_STRANGERS)} {dropped("stranger_pace")}',
            # A full set takes no new source: its initiations are only held to the pace of all strangers together.
            *(each.over(dropped("stranger_pace")) for each in STRANGERS),
            f"{limit(*ALL_STRANGERS)} {dropped('strangers_pace')}",
            f"udp dport set {layout.public_port} accept",
        ),
        "initiation": (
            f"udp length != 156 {dropped('malformed')}",
            f"udp dport set ip saddr . udp sport map @{KNOWN4.name} goto regulars",
            f"ip6 saddr . udp sport @{KNOWN6.name} udp dport set ip6 saddr map @{LINKS6.name} goto regulars",
            "goto strangers",
        ),
        "public": (
            "notrack",
            f"{_TYPE} {_DATA} goto session",
            f"{_TYPE} {_INITIATION} goto initiation",
            f"{_TYPE} {_RESPONSE} goto response",
            f"{_TYPE} {_COOKIE} goto cookie",
            dropped("malformed"),
        ),
        "enter": (
            # A host that forwards may carry other people's packets to a port of the same number.
            f"{layout.to_the_door} goto public",
            # Broadcast and multicast. A door with one address leaves the port on others to other shards' doors.
            f"{layout.of_the_door} {_NOT_FORWARDED} {dropped('closed')}",
            f'iif "lo" udp dport @{INNER} notrack accept',
            f"udp dport @{INNER} {_NOT_FORWARDED} {dropped('closed')}",
            f"udp dport @{DESK} {_NOT_FORWARDED} {dropped('closed')}",
        ),
    }


def _chains_of_what_links_send(layout: Layout) -> dict[str, tuple[str, ...]]:
    """Rules for packets of the host's links, from which the table learns the indices of sessions."""
    return {
        "answer": (
            "notrack",
            *layout.from_the_door,
            f"{_TYPE} {_DATA} udp sport set {layout.public_port} accept",
            # WireGuard answers a first message, which came by way of the demultiplexer, by the link that has the
            # address that it was sent to. The machine may be behind another one.
            f"meta mark set {_SENT_ANEW:#x}",
            # The kernel's WireGuard forgets the address of IPv4 over that (drivers/net/wireguard/socket.c, send4).
            f"ip saddr set ip daddr . udp dport . udp sport map @{ASKED.name}",
            f"{_TYPE} {_RESPONSE} goto introduce",
            f"{_TYPE} {_INITIATION} goto offer",
            f"udp sport set {layout.public_port}",
        ),
        "offer": (
            OFFERED_OF.over(dropped("offered_of")),
            *_not_given_out(),
            f"add @{OFFERS.name} {{ {FIRST_WORD} : udp sport }}",
            f"udp sport set {layout.public_port}",
        ),
        "introduce": (
            *(f"{key} @{REPLIED[version].name} {dropped('unasked')}" for version, key in _ANSWERED.items()),
            *(
                f"{key} @{HANDED[version].name} add @{REPLIED[version].name} {{ {key} }} goto learn"
                for version, key in _ANSWERED.items()
            ),
            dropped("unasked"),
        ),
        "learn": (
            *_not_given_out(),
            f"add @{SESSIONS.name} {{ {FIRST_WORD} : udp sport }}",
            KNOWN_OF.over(f"{counted('known_of')} goto sign"),
            *_know("ip daddr . udp dport", KNOWN4.name, ANSWERED4.name),
            *_know("ip6 daddr", LINKS6.name, ANSWERED6.name, f" update @{KNOWN6.name} {{ ip6 daddr . udp dport }}"),
            "goto sign",
        ),
        "sign": (f"udp sport set {layout.public_port} accept",),
    }


def _chains_of_what_is_handed_on() -> dict[str, tuple[str, ...]]:
    """Rules for what the demultiplexer hands on to links, and the hooks by which the host's own packets leave."""
    return {
        "hand_on": (
            # A machine that claims this host's own address as its own would have one link send to another.
            f"udp sport @{INNER} fib saddr type local {dropped('closed')}",
            "meta skuid 0 goto hand_over",
            dropped("closed"),
        ),
        "hand_over": (
            # An element's value can't be changed on a packet's way: it is taken out and put in again.
            f"delete @{ASKED.name} {{ {_ASKING} : ip daddr }}",
            f"add @{ASKED.name} {{ {_ASKING} : ip daddr }}",
            # A machine may use an index again, and gets another answer then.
            *(f"delete @{REPLIED[version].name} {{ {key} }}" for version, key in HANDED_ON.items()),
            *(f"update @{HANDED[version].name} {{ {key} }}" for version, key in HANDED_ON.items()),
            "notrack accept",
        ),
        "leave": (
            # What the demultiplexer hands over has the machine's port for its source, which may look like an inner one.
            f'oif "lo" udp dport @{INNER} goto hand_on',
            f"udp sport @{INNER} goto answer",
        ),
        "left": (f"meta mark {_SENT_ANEW:#x} meta mark set 0x0",),
    }


def _know(source: str, known: str, answered: str, more: str = "") -> tuple[str, ...]:
    """Statements that renew a source's known link, or make an unknown source known to this link."""
    value, pair = f"@{known} {{ {source} : udp sport }}", f"{source} . udp sport"
    return (
        f"{pair} @{answered} update {value} update @{answered} {{ {pair} }}{more}",
        # A known source goes no further. Linux 6.1 looks into a map only for a value, so this takes the value into the
        # port that `sign` sets again.
        f"udp sport set {source} map @{known} goto sign",
        f"add {value} add @{answered} {{ {pair} }}{more}",
    )


def _not_given_out() -> tuple[str, ...]:
    """Statements that drop a link's message whose index is in a map already."""
    # Linux 6.1 looks into a map only for a value, so this takes the value into a port that goes no further.
    return tuple(f"udp sport set {FIRST_WORD} map @{each.name} {dropped('taken')}" for each in (SESSIONS, OFFERS))


def family_of(address: IPv4Address | IPv6Address) -> str:
    """nftables' keyword for the headers of an address's IP version."""
    return "ip" if address.version == 4 else "ip6"
