"""Pings of machines on behalf of their organizations, bounded for each of them and for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address

from appliance.hub.errors import HubError
from appliance.hub.names import KernelNames, Names
from appliance.hub.plane import echo
from appliance.hub.plane.few_at_once import FewAtOnce
from appliance.model.addresses import hub_address
from appliance.model.desired import Desired, PeerStatus

AT_ONCE, WAITING = 4, 2
"""Most pings at a time, and most that wait.

Each takes a thread here and one of the web process, for up to five seconds with the wait.
"""

_PATIENCE_S = 3.0


class Pings:
    """Pings machines: one of an organization at a time, and `AT_ONCE` of all, by turns. Thread-safe.

    Args:
        state: returns an organization's desired state; None if it has none.
        peers: reads the status of an organization's machines from WireGuard.
        round_trip: pings (`echo.round_trip`).
        patience_s: longest wait for a place in seconds.
    """

    def __init__(
        self,
        names: Names,
        state: Callable[[str], Desired | None],
        peers: Callable[[str], Iterable[PeerStatus]],
        round_trip: Callable[[KernelNames, IPv4Address, IPv4Address], float | None] = echo.round_trip,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._round_trip = round_trip
        self._names = names
        self._state = state
        self._peers = peers
        self._places = FewAtOnce(AT_ONCE, WAITING, "ping", "answered", "silent", retry_after=2, patience_s=patience_s)

    def ping(self, organization: str, machine: str) -> float | None:
        """Ping a machine; returns milliseconds until its first reply, or None if it did not reply in two seconds.

        A machine that WireGuard knows no endpoint of is told as silent at once: a packet would wait for its first
        handshake, and boringtun then starts one of its own at the same moment.

        Args:
            machine: id of an enabled machine of the organization.

        Raises:
            Crowded: a ping of the organization is running, or too many of all.
            HubError: there is no such machine, or the packets could not be sent.
        """
        desired = self._state(organization)
        peer = next((each for each in desired.peers if each.id == machine), None) if desired else None
        if desired is None or peer is None:
            raise HubError("there is no such machine to ping")
        with self._places.turn(organization):
            seconds = None
            if any(each.endpoint for each in self._peers(organization) if each.public_key == peer.public_key):
                seconds = self._round_trip(self._names.of(organization), hub_address(desired.network), peer.address)
        self._places.note("silent" if seconds is None else "answered")
        return None if seconds is None else 1000 * seconds

    def figures(self) -> dict[str, int]:
        """Numbers of pings since the start, by outcome."""
        return self._places.figures()
