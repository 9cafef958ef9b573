"""Measurements of organizations' rules on their behalf, bounded for each of them and for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network

from appliance.hub.errors import HubError
from appliance.hub.names import KernelNames, Names
from appliance.hub.plane import probing
from appliance.hub.plane.few_at_once import FewAtOnce
from appliance.model.desired import Desired
from appliance.model.port_ranges import HIGHEST_PORT
from appliance.model.probes import Probe

AT_ONCE, WAITING = 2, 1
"""Most measurements at a time, and most that wait. Each takes a second or two of a processor at most."""
_PATIENCE_S = 5.0


Forwarded = Callable[[KernelNames, IPv4Network, Mapping[str, IPv4Address], Sequence[Probe]], list[bool]]


class Measurements:
    """Measures rules: one measurement of an organization at a time, and `AT_ONCE` of all, by turns. Thread-safe.

    Args:
        state: returns an organization's desired state; None if it has none.
        forwarded: sends the probes (`probing.forwarded`).
        patience_s: longest wait for a place in seconds.
    """

    def __init__(
        self,
        names: Names,
        state: Callable[[str], Desired | None],
        forwarded: Forwarded = probing.forwarded,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._names = names
        self._state = state
        self._forwarded = forwarded
        self._places = FewAtOnce(AT_ONCE, WAITING, "measurement", "made", retry_after=5, patience_s=patience_s)

    def measure(self, organization: str, probes: Sequence[Probe]) -> list[bool]:
        """Tell for each probe whether the rules in force forward it. Nothing is sent to a machine.

        Raises:
            Crowded: a measurement of the organization is running, or too many of all.
            RulesTooLarge: the rules take more than `MOST_RULE_BYTES`.
            HubError: a machine is unknown, a port is none, or it could not be measured.
        """
        desired = self._state(organization)
        addresses = {} if desired is None else {peer.id: peer.address for peer in desired.peers}
        if desired is None or any(end not in addresses for each in probes for end in (each.source, each.destination)):
            raise HubError("there are no such machines to measure between")
        if any(not 0 <= each.port <= HIGHEST_PORT for each in probes):
            raise HubError("a probe's port is no port")
        with self._places.turn(organization):
            found = self._forwarded(self._names.of(organization), desired.network, addresses, probes)
        self._places.note("made")
        return found

    def figures(self) -> dict[str, int]:
        """Numbers of measurements since the start, by outcome."""
        return self._places.figures()
