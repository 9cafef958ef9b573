"""What a census finds, as plain data: who asks the hub for it need not load what looks at the host."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Footprint:
    """What exists on the host on behalf of one organization of this instance.

    Attributes:
        namespace: the name of its network namespace, if there is one.
        links: those in its namespace, and a half made one in the hub's.
        tables: nftables tables in its namespace.
        process: process id of the userspace WireGuard that serves its link.
        socket: path of that one's control socket.
        port: UDP port that its link listens on; None also where the link does not answer.
        front_door: whether the front door lets packets through to that port.
    """

    organization: str
    namespace: str | None = None
    links: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    process: int | None = None
    socket: str | None = None
    port: int | None = None
    front_door: bool = False
