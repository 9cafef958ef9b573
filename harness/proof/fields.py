"""The domain: packets, and the states of connection tracking that the kernel can give them.

A packet is described by a few independent variables, and by its *flow*: how it stands to a connection. The flow decides
which variable a field of nftables reads. So the kernel's invariants are equalities by construction:

* New and established packets have the addresses and ports of their connection's original tuple, those of the reply
  direction exchanged, as long as nothing rewrites addresses; chains of type ``nat`` are refused (`nf_ct_get_tuple`,
  `nf_ct_invert_tuple`; the kernel's net/netfilter/nf_conntrack_core.c).
* Packets that open or answer are told apart by ICMP's type: only requests open (nf_conntrack_proto_icmp.c,
  `valid_new`), and only replies answer (`invmap`).
* An ICMP error (types 3, 4, 5, 11, 12) is related to the connection that it quotes if it goes to the sender of the
  quoted packet, wherever it comes from (`nf_conntrack_inet_error`), and invalid otherwise. Other related packets are
  expected by helpers; statements that set one are refused.
* A connection that has been answered is confirmed; before, both can be (nf_conntrack_common.h, `IPS_CONFIRMED`).
* Packets are reassembled at priority -400, before any chain that a ruleset may have (nf_defrag_ipv4.c), so every packet
  begins with its transport header.
* Connection tracking looks at a packet at priority -200. Before, it has no connection, which reads as invalid; what
  `notrack` marks there stays without one (nft_ct.c, `nft_ct_get_eval`). Afterwards it marks what has none, and leaves
  a connection alone (nft_ct.c, `nft_notrack_eval`).
* What arrives by ``lo`` is the host's own, and no part of the domain.
* Packets come from a link with mark and priority 0: WireGuard clears the group `headers` of a packet, in which both are
  (drivers/net/wireguard/queueing.h, `wg_reset_packet`; <linux/skbuff.h>). A TUN's packets are new. A veth clears both
  between namespaces (net/core/skbuff.c, `skb_scrub_packet`; <linux/netdevice.h>, `____dev_forward_skb`).

A packet's length and time to live are no part of the domain: those that the kernel discards by them are discarded
whatever rules say.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import cache

from harness.proof.errors import Unmodelled
from harness.proof.intervals import IntervalSet
from harness.proof.literals import DIRECTIONS, FAMILIES, PROTOCOLS, STATES, STATUS
from harness.proof.ruleset import Expression, Field, Raw

ICMP, TCP, UDP = PROTOCOLS["icmp"], PROTOCOLS["tcp"], PROTOCOLS["udp"]
ANSWERS = {8: 0, 13: 14, 15: 16, 17: 18}
"""Types of ICMP that answer, by the type that asks (RFC 792, RFC 950)."""
REQUESTS = frozenset(ANSWERS)
REPLIES = frozenset(ANSWERS.values())
ERRORS = frozenset({3, 4, 5, 11, 12})


class Flow(IntEnum):
    """Relation of a packet to its connection.

    An error ABOUT_ORIGINAL quotes a packet of the opener, so it goes to the opener. Its sender is the other end of the
    connection (BY_END), or any other address (BY_OTHER).
    """

    UNSEEN = 0
    """Before connection tracking."""
    NEW = 1
    NEW_CONFIRMED = 2
    """A further packet of the opener before there was an answer."""
    ORIGINAL = 3
    REPLY = 4
    ABOUT_ORIGINAL_BY_END = 5
    ABOUT_ORIGINAL_BY_OTHER = 6
    ABOUT_REPLY_BY_END = 7
    ABOUT_REPLY_BY_OTHER = 8
    INVALID = 9
    UNTRACKED = 10
    UNTRACKED_LATE = 11
    """Without a connection too, and marked by ``notrack`` after connection tracking had looked."""


FORWARD = (Flow.NEW, Flow.NEW_CONFIRMED, Flow.ORIGINAL)
ABOUT_ORIGINAL = (Flow.ABOUT_ORIGINAL_BY_END, Flow.ABOUT_ORIGINAL_BY_OTHER)
ABOUT_REPLY = (Flow.ABOUT_REPLY_BY_END, Flow.ABOUT_REPLY_BY_OTHER)
BY_OTHER = (Flow.ABOUT_ORIGINAL_BY_OTHER, Flow.ABOUT_REPLY_BY_OTHER)
RELATED = (*ABOUT_ORIGINAL, *ABOUT_REPLY)
CONNECTED = (*FORWARD, Flow.REPLY, *RELATED)


class Variable(IntEnum):
    """A part of a packet that is independent of the others.

    With a connection, SOURCE, DESTINATION and the ports are those of its original tuple and PROTOCOL is its protocol;
    without one, they are the packet's own. TYPE and CODE are those of the packet's ICMP header. SENDER is the source of
    an ICMP error that is no end of the connection. QUOTED is the first byte of the header that an error quotes.
    """

    FLOW = 0
    LINK = 1
    PROTOCOL = 2
    SOURCE = 3
    DESTINATION = 4
    SOURCE_PORT = 5
    DESTINATION_PORT = 6
    TYPE = 7
    CODE = 8
    SENDER = 9
    QUOTED = 10


class Kind(IntEnum):
    """Kind of values: variables of one kind are told apart by the same constants."""

    FLOW = 0
    LINK = 1
    BYTE = 2
    ADDRESS = 3
    PORT = 4


KINDS = {
    Variable.FLOW: Kind.FLOW,
    Variable.LINK: Kind.LINK,
    Variable.PROTOCOL: Kind.BYTE,
    Variable.SOURCE: Kind.ADDRESS,
    Variable.DESTINATION: Kind.ADDRESS,
    Variable.SOURCE_PORT: Kind.PORT,
    Variable.DESTINATION_PORT: Kind.PORT,
    Variable.TYPE: Kind.BYTE,
    Variable.CODE: Kind.BYTE,
    Variable.SENDER: Kind.ADDRESS,
    Variable.QUOTED: Kind.BYTE,
}


class Register(Enum):
    """Metadata of a packet that rules and the kernel write."""

    MARK = 0
    PRIORITY = 1
    LINK_OUT = 2


@dataclass(frozen=True)
class Constant:
    """A value that is the same for all packets of a flow."""

    value: int


Source = Variable | Register | Constant
"""Variable or constant that a field is read from."""


@dataclass(frozen=True)
class View:
    """Source of a field's value in packets of one flow.

    Attributes:
        of: source of the value; None if there is nothing to read, which ends the rule.
        protocols: the field is there for packets of these protocols alone; None is every one.
    """

    of: Source | None
    protocols: frozenset[int] | None = None


_REGISTERS = {
    "meta mark": Register.MARK,
    "meta priority": Register.PRIORITY,
    "meta oifname": Register.LINK_OUT,
    "meta oif": Register.LINK_OUT,
}
_QUOTED_VERSION = Raw("th", 64, 8)
"""First byte after the eight of an ICMP error's own header (RFC 792)."""
QUOTED_DESTINATION = Raw("th", 192, 32)
"""Bytes 16 to 19 of the quoted header (RFC 791)."""
_WITH_PORTS = {"tcp": TCP, "udp": UDP}


@cache
def view(leaf: Expression, flow: Flow) -> View:
    """Finds the source of a field's value in packets of this flow.

    Raises:
        Unmodelled: the field has no meaning here.
    """
    if isinstance(leaf, Raw):
        return _view_of_raw(leaf, flow)
    if not isinstance(leaf, Field):
        raise Unmodelled(f"the expression {leaf}", "ruleset")
    owner, _, name = leaf.name.partition(" ")
    if leaf.name in _REGISTERS:
        return View(_REGISTERS[leaf.name])
    if leaf.name in ("meta iifname", "meta iif"):
        return View(Variable.LINK)
    if leaf.name == "meta nfproto":
        return View(Constant(FAMILIES["ipv4"]))
    if leaf.name in ("meta l4proto", "ip protocol"):
        return View(Constant(ICMP) if flow in RELATED else Variable.PROTOCOL)
    if owner == "ct":
        return _view_of_connection(name, flow)
    if leaf.name in ("ip saddr", "ip daddr"):
        return View(addresses(flow)[leaf.name == "ip daddr"])
    if leaf.name in ("icmp type", "icmp code"):
        of = Variable.TYPE if name == "type" else Variable.CODE
        return View(of) if flow in RELATED else View(of, frozenset({ICMP}))
    if owner in _WITH_PORTS and name in ("sport", "dport"):
        return _view_of_port(name, flow, frozenset({_WITH_PORTS[owner]}))
    raise Unmodelled(f"the field {leaf.name}", "ruleset")


def addresses(flow: Flow) -> tuple[Variable, Variable]:
    """Source and destination of a packet of this flow."""
    there, back = (Variable.SOURCE, Variable.DESTINATION), (Variable.DESTINATION, Variable.SOURCE)
    if flow in (Flow.REPLY, Flow.ABOUT_ORIGINAL_BY_END):
        return back
    if flow in BY_OTHER:
        return Variable.SENDER, (Variable.SOURCE if flow in ABOUT_ORIGINAL else Variable.DESTINATION)
    return there


def quoted_destination(flow: Flow) -> Variable:
    """Address to which the packet was sent that an error of this flow quotes.

    Raises:
        Unmodelled: packets of this flow quote nothing.
    """
    if flow not in RELATED:
        raise Unmodelled(f"a quoted header of a packet of the flow {flow.name}", "ruleset")
    return Variable.DESTINATION if flow in ABOUT_ORIGINAL else Variable.SOURCE


def _view_of_port(name: str, flow: Flow, protocols: frozenset[int]) -> View:
    if flow in RELATED:
        return View(None)
    is_own = (name == "sport") != (flow is Flow.REPLY)
    return View(Variable.SOURCE_PORT if is_own else Variable.DESTINATION_PORT, protocols)


def _view_of_raw(raw: Raw, flow: Flow) -> View:
    if raw == _QUOTED_VERSION and flow in RELATED:
        return View(Variable.QUOTED)
    if raw == QUOTED_DESTINATION and flow in RELATED:
        return View(quoted_destination(flow))
    raise Unmodelled(f"@{raw.base},{raw.offset},{raw.length} of a packet of the flow {flow.name}", "ruleset")


_TUPLE = {
    "original saddr": Variable.SOURCE,
    "original daddr": Variable.DESTINATION,
    "original proto-src": Variable.SOURCE_PORT,
    "original proto-dst": Variable.DESTINATION_PORT,
    "reply saddr": Variable.DESTINATION,
    "reply daddr": Variable.SOURCE,
    "reply proto-src": Variable.DESTINATION_PORT,
    "reply proto-dst": Variable.SOURCE_PORT,
}


def _view_of_connection(name: str, flow: Flow) -> View:
    if name == "state":
        return View(Constant(_state(flow)))
    if name in _TUPLE:
        return View(_TUPLE[name] if flow in CONNECTED else None)
    if name in ("protocol", "original protocol", "reply protocol"):
        return View(Variable.PROTOCOL if flow in CONNECTED else None)
    if name == "direction":
        backward = flow in (Flow.REPLY, *ABOUT_ORIGINAL)
        return View(Constant(DIRECTIONS["reply" if backward else "original"]) if flow in CONNECTED else None)
    if name == "status":
        return View(Constant(STATUS["confirmed"] * (flow is not Flow.NEW)) if flow in CONNECTED else None)
    raise Unmodelled(f"the field ct {name}", "ruleset")


def _state(flow: Flow) -> int:
    if flow in (Flow.NEW, Flow.NEW_CONFIRMED):
        return STATES["new"]
    if flow in (Flow.ORIGINAL, Flow.REPLY):
        return STATES["established"]
    if flow in RELATED:
        return STATES["related"]
    return STATES["untracked" if flow in (Flow.UNTRACKED, Flow.UNTRACKED_LATE) else "invalid"]


# Those that follow from the flow; a test of any other one is refused.
KNOWN_STATUS = STATUS["confirmed"]


def set_of(values: frozenset[int]) -> IntervalSet:
    """These values as intervals."""
    return IntervalSet.of((value, value) for value in values)
