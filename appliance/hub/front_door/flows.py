"""Where WireGuard last heard from its machines, for a door that knows no session any more: pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import chain, islice, zip_longest

from appliance.hub.front_door.memory import ANSWERED4, ANSWERED6, KNOWN4, KNOWN6, LINKS6, RESUMED
from appliance.hub.front_door.rules import elements, memento

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


def resumed(table: str, flows: Iterable[Flow]) -> str:
    """One transaction: sessions whose index is not known are found by their source, these and no others.

    The sources are known from now on, and no others. Where there are more than find room, each link has its share.
    """
    ports: dict[tuple[Address, int], int] = {}
    for flow in flows:
        ports.setdefault((flow.address, flow.port), flow.inner_port)
    unique = [Flow(*source, inner_port) for source, inner_port in ports.items()]
    found = {
        version: _shared([flow for flow in unique if flow.address.version == version], RESUMED[version].size - 1)
        for version in (4, 6)
    }
    # The kernel takes an element once with the same value, but not with another one.
    owners = {flow.address: flow.inner_port for flow in reversed(found[6])}
    lines = {
        RESUMED[4]: [f"{flow.address} . {flow.port} : {flow.inner_port}" for flow in found[4]],
        KNOWN4: [f"{flow.address} . {flow.port} : {flow.inner_port}" for flow in found[4]],
        ANSWERED4: [f"{flow.address} . {flow.port} . {flow.inner_port}" for flow in found[4]],
        RESUMED[6]: [f"{flow.address} . {flow.port} : {flow.inner_port}" for flow in found[6]],
        KNOWN6: [f"{flow.address} . {flow.port}" for flow in found[6]],
        LINKS6: [f"{address} : {inner_port}" for address, inner_port in owners.items()],
        ANSWERED6: [f"{address} . {inner_port}" for address, inner_port in owners.items()],
    }
    text = "".join(f"flush {memory.kind} inet {table} {memory.name}\n" for memory in lines)
    text += "".join(memento(table, memory.name) for memory in RESUMED.values())
    return text + "".join(elements("add", table, memory.name, values) for memory, values in lines.items())


def _shared(flows: Iterable[Flow], most: int) -> list[Flow]:
    """So many of them at most: the first of each link, then the second of each, and so on."""
    of_links: defaultdict[int, list[Flow]] = defaultdict(list)
    for flow in flows:
        of_links[flow.inner_port].append(flow)
    rows = chain.from_iterable(zip_longest(*of_links.values()))
    return list(islice((flow for flow in rows if flow is not None), most))
