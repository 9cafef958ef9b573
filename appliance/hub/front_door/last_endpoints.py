"""Sessions by the last endpoints of their machines, for a table that has lost its indices: pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import chain, islice, zip_longest

from appliance.hub.front_door.memory import ANSWERED4, ANSWERED6, KNOWN4, KNOWN6, LINKS6, RESUMED
from appliance.hub.front_door.transactions import elements, sentinel

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class LastEndpoint:
    """A machine's session, identified by the machine's last endpoint.

    Attributes:
        address: the machine's last address.
        port: the machine's last UDP port.
        inner_port: the UDP port of its organization's link.
    """

    address: Address
    port: int
    inner_port: int


def resumed(table: str, flows: Iterable[LastEndpoint]) -> str:
    """Transaction that makes these sessions found by their source where their index is unknown.

    It replaces all earlier ones. The sources become the known sources. Where there is not enough room, each link gets
    an equal share.
    """
    ports: dict[tuple[Address, int], int] = {}
    for flow in flows:
        ports.setdefault((flow.address, flow.port), flow.inner_port)
    unique = [LastEndpoint(*source, inner_port) for source, inner_port in ports.items()]
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
    text += "".join(sentinel(table, memory.name) for memory in RESUMED.values())
    return text + "".join(elements("add", table, memory.name, values) for memory, values in lines.items())


def _shared(flows: Iterable[LastEndpoint], most: int) -> list[LastEndpoint]:
    """Limit the flows to `most`: the first of each link, then the second of each, and so on."""
    of_links: defaultdict[int, list[LastEndpoint]] = defaultdict(list)
    for flow in flows:
        of_links[flow.inner_port].append(flow)
    rows = chain.from_iterable(zip_longest(*of_links.values()))
    return list(islice((flow for flow in rows if flow is not None), most))
