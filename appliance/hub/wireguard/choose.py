"""Choice of the WireGuard implementation."""

from __future__ import annotations

from collections.abc import Callable

from appliance.hub.errors import HubError, NoBackend, reason
from appliance.hub.kernel import links
from appliance.hub.kernel.rtnetlink import RouteSocket
from appliance.hub.wireguard.boringtun import Boringtun
from appliance.hub.wireguard.protocol import Backend
from appliance.hub.wireguard.wireguard_go import WireguardGo

_PROBE = "mwprobe0"


def choose(wanted: str) -> Backend:
    """Choose the implementation of that name, or with ``auto`` the first available: kernel, wireguard-go, boringtun.

    Raises:
        NoBackend: the host does not have it; the message has the error of each attempt.
    """
    makers: dict[str, Callable[[], Backend]] = {
        "kernel": _kernel,
        "wireguard-go": WireguardGo,
        "boringtun": Boringtun,
    }
    names = list(makers) if wanted == "auto" else [wanted]
    complaints = []
    for name in names:
        try:
            return makers[name]()
        except HubError as error:
            complaints.append(f"{name}: {error}")
    raise NoBackend("no WireGuard to work with (" + "; ".join(complaints) + ")")


def _kernel() -> Backend:
    try:
        with RouteSocket() as netlink:
            netlink.add_link(_PROBE, "wireguard")
            netlink.delete_link(links.index(_PROBE))
    except OSError as error:
        raise NoBackend(f"the kernel makes no WireGuard link ({reason(error)})") from error
    # Loaded on a host that has it, as it takes pyroute2.
    from appliance.hub.wireguard.kernel import Kernel

    return Kernel()
