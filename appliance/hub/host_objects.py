"""Objects on the host as a census finds them; plain data, so that callers don't load the code that reads the host."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HostObjects:
    """Objects on the host that belong to one organization of this instance.

    Attributes:
        namespace: name of its network namespace, if there is one.
        links: links in its namespace, and an incomplete one in the hub's.
        tables: nftables tables in its namespace.
        process: process id of the userspace WireGuard that serves its link.
        socket: path of that process's control socket.
        port: UDP port of its link; None also if the link does not answer.
        front_door: True if the front door admits that port.
    """

    organization: str
    namespace: str | None = None
    links: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    process: int | None = None
    socket: str | None = None
    port: int | None = None
    front_door: bool = False
