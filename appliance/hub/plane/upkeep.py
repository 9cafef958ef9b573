"""Maintenance of all organizations, from the start of the hub to its end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import structlog
from sqlalchemy.exc import IntegrityError

from appliance.host.clocks import HOST, HostClocks
from appliance.hub.errors import HubError, LinkError, NamespaceError, log_error
from appliance.hub.findings import Repair
from appliance.hub.front_door import FrontDoor
from appliance.hub.kernel import tracking
from appliance.hub.kernel.events import NamespaceEvent, Watcher
from appliance.hub.kernel.generation import Ledger
from appliance.hub.names import Names
from appliance.hub.plane.agreement import Agreement
from appliance.hub.plane.arbiter import Arbiter
from appliance.hub.plane.connection_watch import ConnectionWatch
from appliance.hub.plane.dataplane import HEALING_WAITS_S, DataPlane
from appliance.hub.plane.door_upkeep import FRONT_DOOR, DoorUpkeep
from appliance.hub.plane.endpoint_notes import EndpointNotes
from appliance.hub.plane.healing import Healer
from appliance.hub.plane.liveness import Liveness
from appliance.hub.plane.machine_calls import MachineCalls
from appliance.hub.plane.measurements import Measurements
from appliance.hub.plane.pings import Pings
from appliance.hub.plane.retrying import tried_until_done
from appliance.hub.wireguard import Backend
from appliance.model.desired import Desired
from appliance.model.errors import Unavailable
from appliance.store import Store, audit, deletions, organizations
from appliance.store.times import now

log = structlog.get_logger()

_AT_ONCE = 4
_ACTOR = "hub"
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_HANDSHAKE_S = 0.05
# Longest wait for a change or a check of an organization whose endpoints are noted for the last time.
_LAST_NOTING_WAITS_S = 1.0


class Upkeep:
    """Enforces the store's state of all organizations, and keeps it in force with threads of its own.

    Args:
        open_key: returns the hub's private key for an organization, in base64.
        state_folder: keeps the notes for a later hub process of the same boot.
        clocks: clocks of the host.

    Attributes:
        plane: the organizations' parts of the kernel.
        door: the front door with its repairs.
        arbiter: admission of changes.
        agreement: comparison with the store.
        connections: counts connections, and enforces their bounds.
        machine_calls: calls to machines after damage to the front door.
        pings: pings of machines that their organizations ask for.
        measurements: measurements of rules that their organizations ask for.
        repairs: number of repairs since the start, by kind of damage.
        is_restored: True when every stored organization was tried.
        ending: set when the hub is to end, by the first call of `close` or `tear_down` at the latest.
    """

    def __init__(
        self,
        names: Names,
        backend: Backend,
        door: FrontDoor,
        store: Store,
        open_key: Callable[[Desired], str],
        state_folder: Path,
        clocks: HostClocks = HOST,
    ) -> None:
        self._store = store
        self._healer = Healer(self._heal, self._sweep, self._mended)
        self._watcher = Watcher(self._healer.notice)
        self._ledger = Ledger(state_folder)
        self.plane = DataPlane(names, backend, open_key, self._ledger, self._watcher, clocks)
        self.machine_calls = MachineCalls(self.plane.organizations, self.plane.call_machines)
        self.pings = Pings(names, self.plane.state, self.plane.peers)
        self.measurements = Measurements(names, self.plane.state)
        self.door = DoorUpkeep(door, self.plane, self.machine_calls)
        self.arbiter = Arbiter(store, self.door, self.plane)
        self.agreement = Agreement(store, self.plane.states, self.arbiter.settle, self.arbiter.stored, self._mended)
        self._liveness = Liveness(store, self.plane.heard)
        self._endpoint_notes = EndpointNotes(store, self.plane)
        self.connections = ConnectionWatch(self.plane, tracking.host_limit)
        self.repairs: Counter[str] = Counter()
        self.is_restored = False
        self.ending = threading.Event()
        self._is_open = False
        self._restoring = threading.Lock()
        # Organizations that the store does not have, and whose remains could not be removed yet.
        self._remains: set[str] = set()

    def open(self) -> None:
        """Open the front door, or adopt the one that an earlier process left open; the next call does nothing.

        Raises:
            HubError: the host refused.
        """
        if not self._is_open:
            self.door.open(self._met)
            self._watcher.watch_rules_here(FRONT_DOOR)
            self._is_open = True

    def stand_by(self) -> None:
        """Open the front door behind a gate that is shut, and repair damage from now on; `restore` follows later.

        Raises:
            HubError: the host refused.
        """
        self.open()
        self._healer.start()

    def restore(self) -> None:
        """Enforce the stored organizations, remove the parts of deleted ones, and start the threads.

        An organization that can't be restored stays denied until healing succeeds; the others don't wait for it. While
        host or store can't be read, this waits for them. A hub that is stopped meanwhile leaves the rest to the next
        one.
        """
        with self._restoring:
            if not self.ending.is_set():
                self._restore_all()

    def close(self) -> None:
        """Take no more changes, wait for those in progress, and stop all threads; the data plane stays as it is."""
        self._end_looking()
        self.arbiter.close()
        self.arbiter.await_changes()
        self._watcher.close()
        self.door.close()

    def tear_down(self) -> None:
        """Take no more changes, and remove everything of this instance from the host; `close` has to follow.

        Raises:
            HubError: an organization could not be removed; the others were.
        """
        self.arbiter.close()
        self._end_looking()
        self.arbiter.await_changes()
        try:
            self.clear()
        finally:
            self._ledger.close()

    def clear(self) -> None:
        """Remove everything of this instance from the host, before `open` or from `tear_down`.

        Raises:
            HubError: an organization could not be removed; the others were.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            known = sorted({*self.plane.present(), *self.arbiter.revisions()})
            complaints = [each for each in pool.map(self._complaint_of_removal, known) if each]
        self._watcher.forget(FRONT_DOOR)
        self.door.remove()
        if complaints:
            raise HubError(f"organizations that could not be removed: {len(complaints)} ({complaints[0]})")

    def _complaint_of_removal(self, organization: str) -> str:
        """Remove an organization; return the error, or an empty string."""
        try:
            self.arbiter.clear(organization)
        except HubError as error:
            return str(error)
        return ""

    def _restore_all(self) -> None:
        # A front door that knows no organization would dismiss all.
        complaint = "nothing can be restored yet"
        found = tried_until_done(self._look_up, self.ending, complaint, _FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        if found is None:
            return
        active, remains = found
        for organization in remains:
            self._remove_remains(organization)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._restore_one, active))
        if self.ending.is_set():
            return
        try:
            self.door.settle()
        except Exception as error:  # noqa: BLE001 - it is logged
            log_error("the front door can't be put right yet", error)
            self._healer.notice(FRONT_DOOR, NamespaceEvent.ANYTHING)
        self.is_restored = True
        self._healer.start()
        self.machine_calls.start()
        self.connections.start()
        self.agreement.start()

    def _look_up(self) -> tuple[Sequence[str], Sequence[str]]:
        """Ids of the organizations to restore, and of those with remains to remove."""
        # Read the host before the store: a sign-up is stored first, so a part that is being made is no orphan.
        present = self.plane.present()
        with self._store.read() as transaction:
            active = organizations.enforced_ids(transaction, self._store.shard)
            # An interrupted deletion is completed here.
            known = set(organizations.names(transaction, self._store.shard)) - set(deletions.unfinished(transaction))
            known -= set(organizations.suspended_ids(transaction))
        return active, sorted(set(present) - known)

    def _remove_remains(self, organization: str) -> None:
        """Remove what an organization without a state has left, now or as soon as it can be done."""
        try:
            if self.arbiter.remove_remains(organization):
                log.info("the remains of a deleted organization are removed", organization=organization)
        except Exception as error:  # noqa: BLE001 - it is logged
            log_error("the remains of a deleted organization can't be removed yet", error, organization=organization)
            self._remains.add(organization)
            self._healer.notice(organization, NamespaceEvent.ANYTHING)

    def _end_looking(self) -> None:
        """Stop the threads that restore, compare and repair."""
        self.ending.set()
        with self._restoring:
            pass
        self.agreement.stop()
        self.connections.stop()
        self._healer.stop()
        self.machine_calls.stop()
        self.note_endpoints()

    def _restore_one(self, organization: str) -> None:
        if self.ending.is_set():
            return
        try:
            self.arbiter.restore(organization)
        except Exception as error:  # noqa: BLE001 - it is logged
            # A broken row of one organization must not keep the others denied.
            log_error(
                "an organization could not be restored", error, (HubError, Unavailable), organization=organization
            )
            self._healer.notice(organization, NamespaceEvent.ANYTHING)

    def _heal(self, organization: str, event: NamespaceEvent) -> Repair | None:
        if organization == FRONT_DOOR:
            return self.door.heal()
        if organization in self._remains:
            # It raises until it works, and is tried again then.
            self.arbiter.remove_remains(organization)
            self._remains.discard(organization)
        if event is NamespaceEvent.MACHINES:
            # Occupied passes: the check is made again when the change or the check in progress has ended.
            with suppress(LinkError, NamespaceError, Unavailable):
                self._endpoint_notes.note(organization, HEALING_WAITS_S)
            return None
        repair = self.plane.heal(organization, event)
        if event is not NamespaceEvent.RULES:
            with suppress(HubError, Unavailable):
                self._endpoint_notes.note(organization, HEALING_WAITS_S)
        return repair

    def _met(self, organization: str) -> None:
        # WireGuard knows the machine's endpoint once it has read the initiation, whatever becomes of the handshake.
        self._healer.notice(organization, NamespaceEvent.MACHINES, _HANDSHAKE_S)

    def note_endpoints(self) -> None:
        """Store all endpoints for a later hub that has to rebuild the links.

        A machine whose endpoint is missing there is silent until it begins a handshake itself, up to three minutes, so
        this waits for changes and checks in progress.
        """
        for organization in self.plane.wanted():
            try:
                self._endpoint_notes.note(organization, _LAST_NOTING_WAITS_S)
            except HubError as error:
                log_error("endpoints of machines could not be read", error, organization=organization)
            except Unavailable as error:
                log_error("endpoints of machines could not be stored", error, (Unavailable,))
                return

    def _sweep(self) -> tuple[str, ...]:
        self.plane.close_idle()
        with suppress(Unavailable):
            self._liveness.note()
        wanted = self.plane.wanted()
        self._endpoint_notes.keep_only(wanted)
        return (FRONT_DOOR, *wanted)

    def _mended(self, repair: Repair) -> None:
        found = [f"{finding.part.value}: {finding.what}" for finding in repair.found]
        self.repairs.update(finding.part.value for finding in repair.found)
        seconds = round(repair.seconds, 4)
        log.warning("damage was repaired", organization=repair.organization or None, found=found, seconds=seconds)
        if repair.organization == FRONT_DOOR:
            return
        try:
            with self._store.write() as transaction:
                audit.record(
                    transaction, repair.organization, _ACTOR, audit.MENDED, {"found": found, "seconds": seconds}, now()
                )
        except IntegrityError:
            # It was deleted meanwhile, and its trail with it.
            log.info("a repair of a deleted organization is not stored", organization=repair.organization)
        except Unavailable as error:
            # The damage is repaired all the same.
            log.error("a repair could not be stored", organization=repair.organization, error=str(error))
