"""Fates of single packets."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from harness.proof.atoms import Engine, Fate
from harness.proof.classes import PacketClass
from harness.proof.fields import ICMP, TCP, UDP, Flow, Variable
from harness.proof.passages import Memory
from harness.proof.routing import Route, Routing, RoutingRule, Way
from harness.proof.ruleset import Ruleset
from harness.proof.space import space_of
from tests.harness.proof.listings import LINKS

ANY = (0, 2**32 - 1)
ROUTING = Routing(
    (RoutingRule(0, "local", 0, 0), RoutingRule(100, "100", 1, 2**32 - 1), RoutingRule(32766, "main", 0, 0)),
    {
        "local": (Route("local", (int(IPv4Address("10.100.0.1")),) * 2, 32, 0, Way.LOCAL),),
        "100": (Route("100", ANY, 0, 0, Way.FORWARD, LINKS["wg"]),),
        "main": (Route("main", ANY, 0, 0, Way.NOWHERE),),
    },
    forwards=True,
)
PROTOCOLS = {"tcp": TCP, "udp": UDP, "icmp": ICMP, "gre": 47}


def fate(
    ruleset: Ruleset,
    flow: Flow = Flow.NEW,
    protocol: str = "tcp",
    source: str = "10.100.0.2",
    destination: str = "10.100.0.3",
    *,
    ports: tuple[int, int] = (40000, 22),
    kind: int = 8,
    sender: str = "10.100.0.4",
    quoted: int = 0x45,
    link: str | None = None,
    routing: Routing = ROUTING,
    links: Mapping[str, int] = LINKS,
) -> set[Fate]:
    """Computes the possible fates of one packet: none if connection tracking gives no such packet this state.

    Args:
        protocol, source, destination, ports: of the connection, or of the packet if it has none.
        kind: type of its ICMP header.
        sender: of an ICMP error that no end of the connection sends.
        quoted: first byte of the header that an error quotes.
        link: it comes from this one; None is the first that is not ``lo``.
    """
    ends = [int(IPv4Address(each)) for each in (source, destination, sender)]
    addresses = [(end, end) for end in ends] + list(routing.boundaries())
    space = space_of(ruleset, links.values(), addresses, [(port, port) for port in ports])
    values = {
        Variable.FLOW: int(flow),
        Variable.LINK: links[link or next(name for name in links if name != "lo")],
        Variable.PROTOCOL: PROTOCOLS[protocol],
        Variable.SOURCE: ends[0],
        Variable.DESTINATION: ends[1],
        Variable.SOURCE_PORT: ports[0],
        Variable.DESTINATION_PORT: ports[1],
        Variable.TYPE: kind,
        Variable.CODE: 0,
        Variable.SENDER: ends[2],
        Variable.QUOTED: quoted,
    }
    sets = tuple(space.of(variable).atoms_in([(values[variable],) * 2]) for variable in Variable)
    finals = Engine(ruleset, routing, Memory(space)).walk(PacketClass(sets, (0, None, 0)))
    return {final.fate for final in finals}
