"""Inventory of the host's objects that belong to one instance, found by their names alone."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.hub.errors import HubError
from appliance.hub.front_door import table as door
from appliance.hub.host_objects import HostObjects
from appliance.hub.kernel import links, namespace, nft
from appliance.hub.names import KernelNames, Names
from appliance.hub.wireguard import kernel, processes, uapi


@dataclass(frozen=True)
class HostNames:
    """Names of objects on the host, and the ids of the instance's organizations among them."""

    organizations: frozenset[str]
    namespaces: frozenset[str]
    links: frozenset[str]
    processes: Mapping[str, int]
    sockets: Mapping[str, Path]


def look(names: Names) -> HostNames:
    """List the host's objects without entering any namespace; takes a few milliseconds for any number of organizations.

    Raises:
        LinkError: the host's links can't be listed.
    """
    sight = (frozenset(namespace.names()), frozenset(links.names()), processes.by_link(), uapi.sockets())
    found = {names.organization_of(name) for kind in sight for name in kind}
    return HostNames(frozenset(each for each in found if each is not None), *sight)


def take(names: Names) -> tuple[HostObjects, ...]:
    """Objects of each organization of this instance that has anything on the host. It takes root.

    Raises:
        HubError: the host can't be read. Errors with a single organization only leave gaps in its entry.
    """
    sight, admitted = look(names), door.open_ports(names.door)
    return tuple(
        _host_objects(organization, names.of(organization), sight, admitted)
        for organization in sorted(sight.organizations)
    )


def _host_objects(organization: str, names: KernelNames, sight: HostNames, admitted: frozenset[int]) -> HostObjects:
    inside: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    # The namespace may be in removal, or a plain file from a failed mount.
    with suppress(HubError), namespace.entered(names.namespace):
        inside = links.names()
    with suppress(HubError):
        tables = nft.tables(names.namespace)
    socket = sight.sockets.get(names.link)
    port = _port(names, asks_socket=socket is not None)
    return HostObjects(
        organization,
        namespace=names.namespace if names.namespace in sight.namespaces else None,
        links=(*inside, *({names.link} & sight.links)),
        tables=tables,
        process=sight.processes.get(names.link),
        socket=None if socket is None else str(socket),
        port=port,
        front_door=port in admitted,
    )


def _port(names: KernelNames, *, asks_socket: bool) -> int | None:
    with suppress(HubError):
        return uapi.get_device(names.link).listen_port or None if asks_socket else kernel.listen_port(names)
    return None
