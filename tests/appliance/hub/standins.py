"""Stand-ins for the parts of a hub that touch the kernel or need a database."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from appliance.hub.front_door import DoorRepair, FrontDoor
from appliance.hub.wireguard import Backend
from appliance.model.errors import Unavailable


class _NoBackend:
    name = version = "none"


NO_BACKEND = cast("Backend", _NoBackend())
"""A backend that makes no links."""


class NoDoor(FrontDoor):
    """A door that opens nothing, and hears of a machine when a test says so."""

    meets: Callable[[str], None]

    def open(self, on_new_source: Callable[[str], None] = lambda _: None) -> DoorRepair:
        self.meets = on_new_source
        return DoorRepair.NONE

    def restore(self) -> DoorRepair:
        return DoorRepair.NONE

    def admit(self, organization: str, hub_public_key: str, inner_port: int, machines: int = 0) -> None: ...

    def settle(self) -> None: ...

    def close(self) -> None: ...

    def remove(self) -> None: ...


def refuse() -> None:
    """Refuses to read or write, as a store whose database is away."""
    raise Unavailable("The database is away.")
