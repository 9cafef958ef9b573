"""A fake data plane behind a real arbiter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from appliance.hub.errors import HubError
from appliance.hub.plane.arbiter import Arbiter
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.plane.door_upkeep import DoorUpkeep
from appliance.hub.plane.enforcement import LastCheck, no_check
from appliance.hub.rpc.callers import WaitingCaller
from appliance.model.desired import Desired
from appliance.model.difference import between
from appliance.service import Actor
from appliance.store import Store, organizations
from tests.appliance.fakes import FakeHub, is_writing


@dataclass
class MadeUpPlane:
    """Data plane that only remembers desired states.

    Attributes:
        wanted: desired states by organization.
        endpoints: last endpoints that came with the first state of each organization.
        works: called during each change, before it takes effect.
        refuses: True to let every change fail.
    """

    wanted: dict[str, Desired] = field(default_factory=dict)
    endpoints: dict[str, Mapping[str, str]] = field(default_factory=dict)
    works: Callable[[], None] = lambda: None
    refuses: bool = False

    def state(self, organization: str) -> Desired | None:
        return self.wanted.get(organization)

    def states(self) -> dict[str, Desired]:
        return dict(self.wanted)

    def expect_machines(self, organization: str, endpoints: Mapping[str, str]) -> None:
        self.endpoints[organization] = endpoints

    def apply(self, desired: Desired, last_check: LastCheck = no_check) -> None:
        self.works()
        self._check()
        last_check()
        self.wanted[desired.organization] = desired

    def restore(self, desired: Desired, endpoints: Mapping[str, str]) -> None:
        self.expect_machines(desired.organization, endpoints)
        self.apply(desired)

    def remove(self, organization: str) -> None:
        self._check()
        self.wanted.pop(organization, None)

    def _check(self) -> None:
        assert not is_writing(), "a transaction that keeps others from writing is open while the hub works"
        if self.refuses:
            raise HubError("told to refuse")


@dataclass
class MadeUpDoor:
    """Front door that only remembers whom it lets in.

    Attributes:
        admitted: ids of the organizations.
    """

    port = 51820
    admitted: set[str] = field(default_factory=set)

    def admit(self, desired: Desired) -> None:
        self.admitted.add(desired.organization)

    def dismiss(self, organization: str) -> None:
        self.admitted.discard(organization)


def make_arbiter(store: Store, plane: MadeUpPlane, door: MadeUpDoor) -> Arbiter:
    """Makes the arbiter over that data plane and behind that door."""
    return Arbiter(store, cast("DoorUpkeep", door), cast("DataPlane", plane))


def stored(store: Store, owner: Actor) -> Desired | None:
    """Reads the desired state of the owner's organization from the store."""
    with store.read() as transaction:
        return organizations.desired(transaction, owner.organization_id)


class MadeUpCaller(WaitingCaller):
    """A caller that is alive until the test ends its process."""

    killed = False

    def is_gone(self) -> bool:
        return self.killed

    def dies(self) -> None:
        """Simulates the end of the caller's process."""
        object.__setattr__(self, "killed", True)


@dataclass
class ArbitratedHub(FakeHub):
    """One process's connection to a hub; several may share its data plane.

    Attributes:
        caller: this process.
        applied: called when a change is in force and not committed yet.
    """

    arbiter: Arbiter = field(kw_only=True)
    caller: WaitingCaller = field(default_factory=MadeUpCaller)
    applied: Callable[[], None] = lambda: None

    def apply(
        self, organization: str, desired: Desired | None, *, base: int, revision: int, before: Desired | None = None
    ) -> None:
        found = None if before is None or desired is None else between(before, desired)
        # As the hub's process is told of a difference.
        desired = desired if found is None else self.arbiter.amended(organization, found, base) or desired
        self.arbiter.apply(organization, desired, base=base, revision=revision, caller=self.caller)
        self.applied()

    def withdraw(self, organization: str, revision: int) -> None:
        self.arbiter.withdraw(organization, revision)

    def confirm(self, organization: str, revision: int) -> None:
        self.arbiter.confirm(organization, revision)

    def remove(self, organization: str) -> None:
        self.arbiter.remove(organization)


def revision(store: Store, owner: Actor) -> int:
    with store.read() as transaction:
        found = organizations.revision(transaction, owner.organization_id)
    assert found is not None
    return found
