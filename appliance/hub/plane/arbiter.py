"""Admission of changes to the data plane, and their reconciliation with the store.

A change is enforced first and committed then, by callers that may be killed in between. Each names the store's
revision that it was computed from, and the revision that the commit makes. So of two changes of one revision one is
refused, and a difference from the store is a change in progress as long as its caller is connected and the store is at
the revision before. Any other difference is resolved: the store is right.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from appliance.hub.errors import HubError, NotHere, Overtaken
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.plane.door_upkeep import DoorUpkeep
from appliance.hub.plane.organization_locks import OrganizationLocks
from appliance.hub.plane.state_checks import Distrusted, check_state, usable_endpoints
from appliance.hub.rpc.callers import LOCAL, WaitingCaller
from appliance.model.desired import Desired
from appliance.model.difference import StateDifference
from appliance.store import Store, machines, organizations


@dataclass(frozen=True)
class _Applied:
    """The last change of an organization that was applied to the data plane.

    Attributes:
        base: the store's revision before; equal to ``revision`` if the store already had this state.
        revision: the store's revision after the commit.
        before: the state before; None: there was none.
        caller: commits the change.
    """

    base: int
    revision: int
    before: Desired | None = None
    caller: WaitingCaller = LOCAL

    def is_under_way(self, stored: int) -> bool:
        """Tell whether the caller may still commit it, given the store's revision."""
        return self.base != self.revision and self.base == stored and not self.caller.is_gone()


class Arbiter:
    """Applies changes, one at a time for each organization, without an open transaction.

    After `close`, calls for changes are refused. The hub's own threads, which restore and settle, have to be stopped
    apart.
    """

    def __init__(self, store: Store, door: DoorUpkeep, plane: DataPlane) -> None:
        self._store = store
        self._door = door
        self._plane = plane
        self._applied: dict[str, _Applied] = {}
        self._locks = OrganizationLocks()
        self._is_closed = False

    def close(self) -> None:
        """Refuse all further changes; those in progress go on. Returns at once."""
        self._is_closed = True

    def check_open(self) -> None:
        """Raise `NotHere` after `close`."""
        if self._is_closed:
            raise NotHere("this hub is giving up its organizations")

    def await_changes(self) -> None:
        """Wait for the changes in progress; after `close` there are none when this returns."""
        # A lock that is taken from now on is taken by calls that are refused.
        self._locks.await_all()

    def apply(
        self,
        organization: str,
        desired: Desired | None,
        *,
        base: int,
        revision: int,
        caller: WaitingCaller = LOCAL,
    ) -> None:
        """Enforce a change (`messages.Apply`), unless its caller gives up before it is in force.

        Raises:
            Overtaken: the organization is not at the revision ``base``, or another change of it is under way.
            GivenUp: the caller does not wait any more.
            NotHere: the hub takes no more changes.
            HubError: it could not be enforced. In each case, the previous state stays in force.
        """
        with self._change_of(organization):
            applied = self._applied.get(organization)
            if applied is None or applied.revision != base:
                self._check(organization, applied, base)
            caller.check_waiting()
            if applied is None and base != revision:
                # A change before the end of restoring may have to be put back to the restored state.
                with suppress(HubError):
                    self._restore(organization)
            before = self._plane.state(organization)
            self._enforce(organization, desired, caller)
            self._applied[organization] = _Applied(base, revision, before, caller)
            if caller.is_gone():
                self._put_back(organization, self._applied[organization])
                caller.check_waiting()

    def amended(self, organization: str, difference: StateDifference, base: int) -> Desired | None:
        """Apply a difference to the state at revision ``base``; None if the data plane has another revision."""
        with self._locks.holding(organization):
            applied, state = self._applied.get(organization), self._plane.state(organization)
        if applied is None or applied.revision != base or state is None:
            return None
        return difference.apply_to(state)

    def withdraw(self, organization: str, revision: int) -> None:
        """Restore the state before this revision, if it was applied last and is not known to be committed.

        Raises:
            NotHere: the hub takes no more changes.
            HubError: it could not be restored.
        """
        with self._change_of(organization):
            applied = self._applied.get(organization)
            if applied is not None and applied.revision == revision != applied.base:
                self._put_back(organization, applied)

    def confirm(self, organization: str, revision: int) -> None:
        """Make the data plane have this committed revision.

        Raises:
            NotHere: the hub takes no more changes.
            Unavailable, HubError: the store or the data plane failed.
        """
        with self._change_of(organization):
            applied = self._applied.get(organization)
            if applied is None or applied.revision != revision:
                self._settle(organization)

    def remove(self, organization: str) -> None:
        """Remove everything of the organization from the host.

        Raises:
            NotHere: the hub takes no more changes.
            HubError: something could not be removed.
        """
        with self._change_of(organization):
            self._take_off(organization)
            self._applied.pop(organization, None)

    def clear(self, organization: str) -> None:
        """Remove everything of the organization from the host but its entry at the front door, which is removed next.

        Raises:
            HubError: something could not be removed.
        """
        with self._locks.holding(organization):
            self._plane.remove(organization)
            self._applied.pop(organization, None)

    def restore(self, organization: str) -> None:
        """Enforce the organization's stored state, unless that was done since the start.

        Raises:
            HubError: it failed; the organization stays denied, and healing tries again.
        """
        with self._locks.holding(organization):
            if self._plane.state(organization) is None:
                self._restore(organization)

    def remove_remains(self, organization: str) -> bool:
        """Remove what is on the host of an organization, unless it has a state; tell whether it had none.

        Raises:
            HubError: something could not be removed.
        """
        with self._locks.holding(organization):
            has_none = self._plane.state(organization) is None
            if has_none:
                self._plane.remove(organization)
        return has_none

    def stored(self, organization: str, revision: int) -> None:
        """Note that the store has this revision, which the data plane enforces: it will not be put back."""
        with self._locks.holding(organization):
            applied = self._applied.get(organization)
            if applied is not None and applied.revision == revision:
                self._applied[organization] = _Applied(revision, revision)

    def revisions(self) -> dict[str, int]:
        """The last revision of each organization that was applied."""
        return {organization: applied.revision for organization, applied in list(self._applied.items())}

    def prepare(self, organization: str) -> None:
        """Make the data plane match the store, without a packet to any machine: for a hub that owns nothing yet.

        Raises:
            Unavailable, HubError: the store or the data plane failed.
        """
        with self._locks.holding(organization):
            with self._store.read() as transaction:
                stored = organizations.standing(transaction, organization, self._store.shard)
            if stored is None or not stored.is_active:
                self._take_off(organization)
                self._applied.pop(organization, None)
            else:
                self._enforce(organization, stored.desired, LOCAL, turns_to_machines=False)
                self._applied[organization] = _Applied(stored.revision, stored.revision)

    def settle(self, organization: str) -> bool:
        """Make the data plane match the store, unless a change is in progress; tell whether they differed.

        Raises:
            Unavailable, HubError: the store or the data plane failed.
        """
        with self._locks.holding(organization):
            return self._settle(organization)

    @contextmanager
    def _change_of(self, organization: str) -> Iterator[None]:
        """Hold the organization for a change; raises `NotHere` after `close`."""
        with self._locks.holding(organization):
            # Asked with the lock: `await_changes` waits for whoever has passed this.
            self.check_open()
            yield

    def _restore(self, organization: str) -> None:
        with self._store.read() as transaction:
            stored = organizations.standing(transaction, organization, self._store.shard)
            endpoints = machines.endpoints(transaction, organization)
        if stored is not None and stored.is_active and stored.desired is not None:
            check_state(stored.desired, self._plane.states(), self._door.port)
            self._applied[organization] = _Applied(stored.revision, stored.revision)
            self._door.admit(stored.desired)
            self._plane.restore(stored.desired, usable_endpoints(endpoints))

    def _check(self, organization: str, applied: _Applied | None, base: int) -> None:
        """Raise `Overtaken` unless the store is at this revision and no change is in progress."""
        with self._store.read() as transaction:
            stored = organizations.revision(transaction, organization, self._store.shard)
        if stored != base:
            raise Overtaken("the store has another revision by now")
        if applied is not None and applied.is_under_way(stored):
            raise Overtaken("another change of the organization is under way")

    def _settle(self, organization: str) -> bool:
        with self._store.read() as transaction:
            stored = organizations.standing(transaction, organization, self._store.shard)
        applied = self._applied.get(organization)
        if stored is not None and (
            not stored.is_active or (applied is not None and applied.is_under_way(stored.revision))
        ):
            # A change is in progress; or a sign-up or a deletion, which the web process completes.
            return False
        desired = None if stored is None else stored.desired
        is_same = is_alike(self._plane.state(organization), desired)
        if not is_same:
            self._enforce(organization, desired, LOCAL)
        if stored is None:
            self._applied.pop(organization, None)
        else:
            self._applied[organization] = _Applied(stored.revision, stored.revision)
        return not is_same

    def _put_back(self, organization: str, applied: _Applied) -> None:
        self._enforce(organization, applied.before, LOCAL)
        self._applied[organization] = _Applied(applied.base, applied.base)

    def _enforce(
        self, organization: str, desired: Desired | None, caller: WaitingCaller, *, turns_to_machines: bool = True
    ) -> None:
        if desired is None:
            self._take_off(organization)
            return
        if desired.organization != organization:
            raise Distrusted("the state can't be trusted: it is another organization's")
        check_state(desired, self._plane.states(), self._door.port)
        if turns_to_machines and self._plane.state(organization) is None:
            # Machines that an earlier link has heard from may wait for the hub to turn to them.
            with self._store.read() as transaction:
                endpoints = machines.endpoints(transaction, organization)
            self._plane.expect_machines(organization, usable_endpoints(endpoints))
        with self._door_put_back(organization):
            self._door.admit(desired)
            self._plane.apply(desired, caller.check_waiting)

    def _take_off(self, organization: str) -> None:
        with self._door_put_back(organization):
            self._door.dismiss(organization)
            self._plane.remove(organization)

    @contextmanager
    def _door_put_back(self, organization: str) -> Iterator[None]:
        """Restore the front door's entry of the organization if the block fails."""
        before = self._plane.state(organization)
        try:
            yield
        except HubError:
            if before is None:
                self._door.dismiss(organization)
            else:
                self._door.admit(before)
            raise


def is_alike(wanted: Desired | None, stored: Desired | None) -> bool:
    """Tell whether two states are equal but for their sealed keys, which a new unlock secret changes."""
    if wanted is None or stored is None:
        return wanted is stored
    return wanted == replace(
        stored, sealed_data_key=wanted.sealed_data_key, sealed_private_key=wanted.sealed_private_key
    )
