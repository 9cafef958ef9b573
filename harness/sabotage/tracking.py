"""Sabotages of how long connections are tracked."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from appliance.hub.findings import Damage
from appliance.hub.kernel import namespace, routing, tracking
from appliance.hub.kernel.sockets import NetfilterSockets
from appliance.hub.names import KernelNames

_mend = routing.mend
_SETTINGS = Path("/proc/sys/net/netfilter")
_SECONDS = "100"


def forget_between_repetitions() -> None:
    """Forgets a connection within the longest pause that TCP makes before it repeats what was not acknowledged."""

    def mend(names: KernelNames, network: IPv4Network) -> tuple[Damage, ...]:
        _mend(names, network)
        with namespace.entered(names.namespace):
            for name in ("unacknowledged", "max_retrans"):
                (_SETTINGS / f"nf_conntrack_tcp_timeout_{name}").write_text(_SECONDS)
        return ()

    routing.mend = mend


def keep_connections() -> None:
    """Keeps the tracked connections of machines that are removed or disabled, or have a new key."""

    def forget(sockets: NetfilterSockets, name: str, addresses: Collection[IPv4Address]) -> None:
        del sockets, name, addresses

    tracking.forget = forget
