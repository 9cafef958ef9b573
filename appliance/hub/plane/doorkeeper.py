"""The care for the front door: it is kept whole, and in step with the links behind it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from ipaddress import IPv4Address, IPv6Address, ip_address

from appliance.hub.errors import HubError
from appliance.hub.findings import Finding, Part, Repair
from appliance.hub.front_door import DoorRepair, Flow, FrontDoor, Level
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.plane.machine_calls import MachineCalls
from appliance.model.desired import Desired

FRONT_DOOR = ""
"""The front door's name where organizations have their ids."""


class Doorkeeper:
    """Knows what a door that was found damaged owes to the machines behind it.

    Args:
        door: not open yet.
        plane: the links.
        calls: for which the machines are due after damage.
    """

    def __init__(self, door: FrontDoor, plane: DataPlane, calls: MachineCalls) -> None:
        self._door = door
        self._plane = plane
        self._calls = calls
        self._is_settled = False
        # What is owed until it is paid, also where the host does not let us at first.
        self._is_ignorant = False
        self._misled_until: float | None = None

    @property
    def port(self) -> int:
        """The public one."""
        return self._door.port

    def open(self, met: Callable[[str], None]) -> None:
        """Opens the door, or adopts the one that an earlier hub left open.

        Args:
            met: as for `FrontDoor.open`.

        Raises:
            HubError: the host does not let us.
        """
        self._owe(self._door.open(met))

    def admit(self, desired: Desired) -> None:
        """Before there is a link: what left it without the door's help would tell machines to answer its inner port."""
        self._door.admit(desired.organization, desired.hub_public_key, desired.port, len(desired.peers))

    def dismiss(self, organization: str) -> None:
        """See `FrontDoor.dismiss`."""
        self._door.dismiss(organization)

    def settle(self) -> None:
        """Every organization has been admitted: handshakes begin.

        Raises:
            HubError: the host does not let us; `heal` tries again.
        """
        self._door.settle()
        self._pay()
        self._is_settled = True

    def heal(self) -> Repair | None:
        """Looks after it, and puts right what is damaged; None if nothing is.

        Raises:
            HubError: the host does not let us.
        """
        start = time.monotonic()
        if not self._is_settled:
            self.settle()
        repair = self._door.restore()
        self._owe(repair)
        self._pay()
        if repair is DoorRepair.NONE:
            return None
        found = Finding(Part.FRONT_DOOR, f"the front door's rules were changed; put right {repair.value}")
        return Repair(FRONT_DOOR, time.time(), time.monotonic() - start, (found,))

    def counters(self) -> dict[str, int]:
        """What became of packets; empty if it is closed already, or its table is gone and not back yet."""
        try:
            return asdict(self._door.counters())
        except HubError:
            return {}

    def levels(self) -> dict[str, Level]:
        """How full its memories are; empty if it is closed already, or its table is gone and not back yet."""
        try:
            return self._door.levels()
        except HubError:
            return {}

    def close(self) -> None:
        """See `FrontDoor.close`: sessions go on."""
        self._door.close()

    def remove(self) -> None:
        """See `FrontDoor.remove`: nothing is left."""
        self._door.remove()

    def _owe(self, repair: DoorRepair) -> None:
        if repair is not DoorRepair.NONE:
            self._misled_until = time.monotonic()
        self._is_ignorant = self._is_ignorant or repair is DoorRepair.AFRESH

    def _pay(self) -> None:
        if self._is_ignorant:
            self._remind()
            self._is_ignorant = False
        until, self._misled_until = self._misled_until, None
        if until is not None:
            self._calls.call_all(until)

    def _remind(self) -> None:
        """A door that was made anew knows no session; whom the links heard from last, it can know from us."""
        ports = {entry.organization: entry.inner_port for entry in self._door.admitted()}
        self._door.learn(
            Flow(address, port, ports[organization])
            for organization, heard in self._plane.endpoints().items()
            if organization in ports
            for address, port in map(_address, heard.values())
        )


def _address(endpoint: str) -> tuple[IPv4Address | IPv6Address, int]:
    """Of ``address:port``, with an IPv6 address in brackets."""
    host, _, port = endpoint.rpartition(":")
    return ip_address(host.strip("[]").partition("%")[0]), int(port)
