"""Sabotages of how long connections are tracked."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address

from appliance.hub.kernel import routing, tracking
from appliance.hub.kernel.sockets import NetfilterSockets
from harness.sabotage.parts import replace_part

_SECONDS = "100"


def forget_between_repetitions() -> None:
    """Forgets a connection within the longest pause that TCP makes before it repeats what was not acknowledged."""
    timeouts = {f"net/netfilter/nf_conntrack_tcp_timeout_{name}" for name in ("unacknowledged", "max_retrans")}
    settings = {
        name: _SECONDS if name in timeouts else value for name, value in vars(routing)["_PER_NAMESPACE"].items()
    }
    replace_part(routing, "_PER_NAMESPACE", settings)


def keep_connections() -> None:
    """Keeps the tracked connections of machines that are removed or disabled, or have a new key."""

    def forget(sockets: NetfilterSockets, name: str, addresses: Collection[IPv4Address]) -> None:
        del sockets, name, addresses

    tracking.forget = forget
