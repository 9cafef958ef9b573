"""The care for all organizations, from the start of the hub to its end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import structlog
from sqlalchemy.exc import IntegrityError

from appliance.hub.errors import HubError, complain
from appliance.hub.findings import Repair
from appliance.hub.front_door import FrontDoor
from appliance.hub.kernel import tracking
from appliance.hub.kernel.events import Event, Watcher
from appliance.hub.kernel.generation import Ledger
from appliance.hub.names import Names
from appliance.hub.plane.agreement import Agreement
from appliance.hub.plane.arbiter import Arbiter
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.plane.doorkeeper import FRONT_DOOR, Doorkeeper
from appliance.hub.plane.healing import Healer
from appliance.hub.plane.machine_calls import MachineCalls
from appliance.hub.plane.warden import Warden
from appliance.hub.wireguard import Backend
from appliance.model.desired import Desired
from appliance.model.errors import Unavailable
from appliance.store import Store, audit, deletions, machines, organizations
from appliance.store.times import now

log = structlog.get_logger()

_AT_ONCE = 4
_ACTOR = "hub"
_HANDSHAKE_S = 0.05


class Upkeep:
    """Makes the kernel what the store says of all organizations, and keeps it so with threads of its own.

    Args:
        open_key: gives the hub's private key for an organization, in base64.
        state_folder: keeps what a later hub of this boot has to know.

    Attributes:
        plane: the organizations' parts of the kernel.
        door: the front door, looked after.
        arbiter: through which organizations are changed.
        agreement: the comparison with the store.
        warden: the bounds of connections.
        machine_calls: calls to machines after damage to the front door.
        repairs: how often damage was mended since the start, by what was damaged.
        is_restored: whether everything was tried that the store has.
    """

    def __init__(
        self,
        names: Names,
        backend: Backend,
        door: FrontDoor,
        store: Store,
        open_key: Callable[[Desired], str],
        state_folder: Path,
    ) -> None:
        self._store = store
        self._healer = Healer(self._heal, self._sweep, self._mended)
        self._watcher = Watcher(self._healer.notice)
        self._ledger = Ledger(state_folder)
        self.plane = DataPlane(names, backend, open_key, self._ledger, self._watcher)
        self.machine_calls = MachineCalls(self.plane.organizations, self.plane.call_machines)
        self.door = Doorkeeper(door, self.plane, self.machine_calls)
        self.arbiter = Arbiter(store, self.door, self.plane)
        self.agreement = Agreement(store, self.plane.states, self.arbiter.settle, self.arbiter.stored, self._mended)
        self.warden = Warden(self.plane, tracking.host_limit)
        self.repairs: Counter[str] = Counter()
        self.is_restored = False
        self._ending = threading.Event()
        self._restoring = threading.Lock()

    def open(self) -> None:
        """Opens the front door, or adopts the one that an earlier hub left open.

        Raises:
            HubError: the host does not let us.
        """
        self.door.open(self._met)
        self._watcher.watch_rules_here(FRONT_DOOR)

    def restore(self) -> None:
        """Makes the kernel what the store says, removes what belongs to no organization any more, and then keeps it so.

        An organization that can't be restored stays denied until it can; the others don't wait for it. A hub that is to
        end meanwhile leaves the rest to the next one.
        """
        with self._restoring:
            if not self._ending.is_set():
                self._restore_all()

    def close(self) -> None:
        """Looks after the data plane no more; it stays as it is."""
        self._end_looking()
        self._watcher.close()
        self.door.close()

    def tear_down(self) -> None:
        """Leaves nothing of this instance on the host; `close` is still to be called.

        Raises:
            HubError: an organization could not be removed; the others were.
        """
        self._end_looking()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            complaints = [each for each in pool.map(self._complaint_of_removal, self.plane.present()) if each]
        self._watcher.forget(FRONT_DOOR)
        self.door.remove()
        self._ledger.close()
        if complaints:
            raise HubError(f"organizations that could not be removed: {len(complaints)} ({complaints[0]})")

    def _complaint_of_removal(self, organization: str) -> str:
        """Removes it; one that can't be removed does not keep the others."""
        try:
            self.plane.remove(organization)
        except HubError as error:
            return str(error)
        return ""

    def _restore_all(self) -> None:
        # The host before the store: a sign-up is stored first, so what is being made is no orphan.
        present = self.plane.present()
        with self._store.read() as transaction:
            active = organizations.enforced_ids(transaction)
            # One whose deletion has begun is nobody's any more; who called for it may be gone.
            known = set(organizations.names(transaction)) - set(deletions.unfinished(transaction))
            known -= set(organizations.suspended_ids(transaction))
        for organization in set(present) - known - set(self.plane.wanted()):
            log.info("an orphan was removed", organization=organization)
            self.plane.remove(organization)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._restore_one, active))
        if self._ending.is_set():
            return
        try:
            self.door.settle()
        except HubError as error:
            log.error("the front door can't be put right yet", error=str(error))
            self._healer.notice(FRONT_DOOR, Event.ANYTHING)
        self.is_restored = True
        self._healer.start()
        self.machine_calls.start()
        self.warden.start()
        self.agreement.start()

    def _end_looking(self) -> None:
        """Nothing is restored, compared or mended by itself any more when it returns."""
        self._ending.set()
        with self._restoring:
            pass
        self.agreement.stop()
        self.warden.stop()
        self._healer.stop()
        self.machine_calls.stop()
        self._note_all_endpoints()

    def _restore_one(self, organization: str) -> None:
        if self._ending.is_set():
            return
        try:
            self.arbiter.restore(organization)
        except Exception as error:  # noqa: BLE001 - it is logged
            # One organization's row must not keep the others denied.
            complain("an organization could not be restored", error, (HubError, Unavailable), organization=organization)
            self._healer.notice(organization, Event.ANYTHING)

    def _heal(self, organization: str, event: Event) -> Repair | None:
        if organization == FRONT_DOOR:
            return self.door.heal()
        repair = None if event is Event.MACHINES else self.plane.heal(organization, event)
        if event is not Event.RULES:
            with suppress(HubError, Unavailable):
                self._note_endpoints(organization)
        return repair

    def _met(self, organization: str) -> None:
        # WireGuard knows where the machine is once it has read its first message, whatever becomes of the handshake.
        self._healer.notice(organization, Event.MACHINES, _HANDSHAKE_S)

    def _note_endpoints(self, organization: str) -> None:
        heard = self.plane.note_endpoints(organization)
        if heard is not None:
            with self._store.write() as transaction:
                machines.note_endpoints(transaction, organization, heard)

    def _note_all_endpoints(self) -> None:
        """For a later hub that has to make the links anew."""
        for organization in self.plane.organizations():
            with suppress(HubError, Unavailable):
                self._note_endpoints(organization)

    def _sweep(self) -> tuple[str, ...]:
        return (FRONT_DOOR, *self.plane.wanted())

    def _mended(self, repair: Repair) -> None:
        found = [f"{finding.part.value}: {finding.what}" for finding in repair.found]
        self.repairs.update(finding.part.value for finding in repair.found)
        seconds = round(repair.seconds, 4)
        log.warning("damage was mended", organization=repair.organization or None, found=found, seconds=seconds)
        if repair.organization == FRONT_DOOR:
            return
        try:
            with self._store.write() as transaction:
                audit.record(
                    transaction, repair.organization, _ACTOR, audit.MENDED, {"found": found, "seconds": seconds}, now()
                )
        except (IntegrityError, Unavailable) as error:
            # Gone meanwhile, or a store that can't be written: what counts is that the damage is mended.
            log.error("a repair could not be stored", organization=repair.organization, error=str(error))
