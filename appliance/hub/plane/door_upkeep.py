"""Maintenance of the front door: repairs, and what machines need after them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from ipaddress import IPv4Address, IPv6Address, ip_address

from appliance.hub.errors import HubError
from appliance.hub.findings import Damage, DamagedPart, Repair
from appliance.hub.front_door import DoorRepair, FrontDoor, LastEndpoint, Level
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.plane.machine_calls import MachineCalls
from appliance.model.desired import Desired

FRONT_DOOR = ""
"""Id of the front door in place of an organization's id."""


class DoorUpkeep:
    """Repairs the front door, and then reloads its sessions and has its machines called.

    Args:
        door: the front door, not open yet.
        plane: data plane with the links behind the door.
        calls: calls to the machines after damage.
    """

    def __init__(self, door: FrontDoor, plane: DataPlane, calls: MachineCalls) -> None:
        self._door = door
        self._plane = plane
        self._calls = calls
        self._is_settled = False
        # Work that a repair requires; it stays due until it succeeds.
        self._needs_flows = False
        self._misled_until: float | None = None

    @property
    def port(self) -> int:
        return self._door.port

    def open(self, on_new_source: Callable[[str], None]) -> None:
        """Open the door, or adopt the one that an earlier process left open.

        Args:
            on_new_source: see `FrontDoor.open`.

        Raises:
            HubError: the host refused.
        """
        self._note_repair(self._door.open(on_new_source))

    def admit(self, desired: Desired) -> None:
        """Admit an organization before its link exists: packets past the door would show the inner port."""
        self._door.admit(desired.organization, desired.hub_public_key, desired.port, len(desired.peers))

    def dismiss(self, organization: str) -> None:
        self._door.dismiss(organization)

    def renew(self) -> None:
        """Have the next `settle` do what follows the opening of a new door: the door was prepared long before."""
        self._needs_flows, self._misled_until = True, time.monotonic()

    def settle(self) -> None:
        """Start handshakes, after every organization was admitted.

        Raises:
            HubError: the host refused; `heal` tries again.
        """
        self._door.settle()
        self._follow_up()
        self._is_settled = True

    def heal(self) -> Repair | None:
        """Check the door and repair damage; None if there is none.

        Raises:
            HubError: the host refused.
        """
        start = time.monotonic()
        if not self._is_settled:
            self.settle()
        repair = self._door.restore()
        self._note_repair(repair)
        self._follow_up()
        if repair is DoorRepair.NONE:
            return None
        found = Damage(DamagedPart.FRONT_DOOR, f"the front door's rules were changed; put right {repair.value}")
        return Repair(FRONT_DOOR, time.time(), time.monotonic() - start, (found,))

    def counters(self) -> dict[str, int]:
        """Numbers of packets by outcome; empty if the door is closed or its table is missing."""
        try:
            return asdict(self._door.counters())
        except HubError:
            return {}

    def levels(self) -> dict[str, Level]:
        """Fill levels of its memories; empty if the door is closed or its table is missing."""
        try:
            return self._door.levels()
        except HubError:
            return {}

    def close(self) -> None:
        """See `FrontDoor.close`: sessions go on."""
        self._door.close()

    def remove(self) -> None:
        self._door.remove()

    def _note_repair(self, repair: DoorRepair) -> None:
        if repair is not DoorRepair.NONE:
            self._misled_until = time.monotonic()
        self._needs_flows = self._needs_flows or repair is DoorRepair.AFRESH

    def _follow_up(self) -> None:
        if self._needs_flows:
            self._load_flows()
            self._needs_flows = False
        until, self._misled_until = self._misled_until, None
        if until is not None:
            self._calls.call_all(until)

    def _load_flows(self) -> None:
        """Load the links' last endpoints into a door that was recreated and has no sessions."""
        ports = {entry.organization: entry.inner_port for entry in self._door.admitted()}
        self._door.learn(
            LastEndpoint(address, port, ports[organization])
            for organization, heard in self._plane.endpoints().items()
            if organization in ports
            for address, port in map(_address, heard.values())
        )


def _address(endpoint: str) -> tuple[IPv4Address | IPv6Address, int]:
    """Parse ``address:port``, with an IPv6 address in brackets."""
    host, _, port = endpoint.rpartition(":")
    return ip_address(host.strip("[]").partition("%")[0]), int(port)
