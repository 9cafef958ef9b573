"""``meshwg-hub``: the privileged process, and the only one that opens keys."""

from __future__ import annotations

import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import singledispatchmethod
from itertools import islice
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.exc import IntegrityError

from appliance.hub.errors import HubError, complain
from appliance.hub.findings import Repair
from appliance.hub.front_door import FrontDoor, is_free
from appliance.hub.kernel import tracking
from appliance.hub.kernel.events import Change, Watcher
from appliance.hub.kernel.generation import Ledger
from appliance.hub.names import Names
from appliance.hub.plane.agreement import Agreement
from appliance.hub.plane.arbiter import Arbiter
from appliance.hub.plane.calls import Calls
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.plane.doorkeeper import FRONT_DOOR, Doorkeeper
from appliance.hub.plane.healing import Healer
from appliance.hub.plane.keyring import Keyring
from appliance.hub.plane.warden import Warden
from appliance.hub.rpc import messages
from appliance.hub.rpc.callers import HERE, Caller
from appliance.hub.rpc.server import Server
from appliance.hub.rpc.shares import Shares
from appliance.hub.wireguard import Backend
from appliance.model.desired import Desired
from appliance.model.errors import Invalid, Unavailable
from appliance.store import Store, audit, deletions, machines, organizations
from appliance.store.times import now
from appliance.vault import Vault

log = structlog.get_logger()

_AT_ONCE = 4
_ACTOR = "hub"
# Rules of a policy whose change may take much longer than most.
_LARGE = 500
_HANDSHAKE_S = 0.05
# A thread that computes lets others go on after a millisecond, not after five: a small change goes through some twenty
# short waits, after each of which it would wait for a large one that is compiled.
_SWITCH_S = 0.001


class Hub:
    """Answers the typed calls of `messages` with the data plane, the store and the vault.

    Args:
        state_folder: keeps what a later hub of this boot has to know.
        remember_secret: is told a new unlock secret just before it becomes the one that opens the store, for the hub
            that is started next.
    """

    def __init__(
        self,
        names: Names,
        backend: Backend,
        door: FrontDoor,
        store: Store,
        vault: Vault,
        state_folder: Path,
        remember_secret: Callable[[str], None] | None = None,
    ) -> None:
        self._store = store
        self._keyring = Keyring(store, vault, remember_secret)
        self._healer = Healer(self._heal, self._sweep, self._mended)
        self._watcher = Watcher(self._healer.notice)
        self._ledger = Ledger(state_folder)
        self._plane = DataPlane(names, backend, self._keyring.private_key, self._ledger, self._watcher)
        self._calls = Calls(self._plane.organizations, self._plane.call_machines)
        self._door = Doorkeeper(door, self._plane, self._calls)
        self._arbiter = Arbiter(store, self._door, self._plane)
        self._agreement = Agreement(store, self._plane.states, self._arbiter.settle, self._arbiter.stored, self._mended)
        self._warden = Warden(self._plane, tracking.host_limit)
        self._shares = Shares()
        self._repairs: Counter[str] = Counter()
        self._restored = False
        self._ending = threading.Event()
        self._restoring = threading.Lock()

    def open(self) -> None:
        """Opens the front door, or adopts the one that an earlier hub left open.

        Raises:
            HubError: the host does not let us.
        """
        self._door.open(self._met)
        self._watcher.watch_rules_here(FRONT_DOOR)

    def restore(self) -> None:
        """Makes the kernel what the store says, removes what belongs to no organization any more, and then keeps it so.

        An organization that can't be restored stays denied until it can; the others don't wait for it. A hub that is to
        end meanwhile leaves the rest to the next one.
        """
        with self._restoring:
            if not self._ending.is_set():
                self._restore_all()

    def _restore_all(self) -> None:
        # The host before the store: a sign-up is stored first, so what is being made is no orphan.
        present = self._plane.present()
        with self._store.read() as transaction:
            active = organizations.enforced_ids(transaction)
            # One whose deletion has begun is nobody's any more; who called for it may be gone.
            known = set(organizations.names(transaction)) - set(deletions.begun(transaction))
            known -= set(organizations.suspended_ids(transaction))
        for organization in set(present) - known - set(self._plane.wanted()):
            log.info("an orphan was removed", organization=organization)
            self._plane.remove(organization)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._restore_one, active))
        if self._ending.is_set():
            return
        try:
            self._door.settle()
        except HubError as error:
            log.error("the front door can't be put right yet", error=str(error))
            self._healer.notice(FRONT_DOOR, Change.ANYTHING)
        self._restored = True
        self._healer.start()
        self._calls.start()
        self._warden.start()
        self._agreement.start()

    def caller_is_gone(self) -> None:
        """A caller ended its connection, or was killed in the middle of a change."""
        self._agreement.hurry()

    def close(self) -> None:
        """Looks after the data plane no more; it stays as it is."""
        self._end_looking()
        self._watcher.close()
        self._door.close()

    def _end_looking(self) -> None:
        """Nothing is restored, compared or mended by itself any more when it returns."""
        self._ending.set()
        with self._restoring:
            pass
        self._agreement.stop()
        self._warden.stop()
        self._healer.stop()
        self._calls.stop()
        self._note_all_endpoints()

    def _restore_one(self, organization: str) -> None:
        if self._ending.is_set():
            return
        try:
            self._arbiter.restore(organization)
        except Exception as error:  # noqa: BLE001 - it is logged
            # One organization's row must not keep the others denied.
            complain("an organization could not be restored", error, (HubError, Unavailable), organization=organization)
            self._healer.notice(organization, Change.ANYTHING)

    def _heal(self, organization: str, change: Change) -> Repair | None:
        if organization == FRONT_DOOR:
            return self._door.heal()
        repair = None if change is Change.MACHINES else self._plane.heal(organization, change)
        if change is not Change.RULES:
            with suppress(HubError, Unavailable):
                self._note_endpoints(organization)
        return repair

    def _met(self, organization: str) -> None:
        # WireGuard knows where the machine is once it has read its first message, whatever becomes of the handshake.
        self._healer.notice(organization, Change.MACHINES, _HANDSHAKE_S)

    def _note_endpoints(self, organization: str) -> None:
        heard = self._plane.note_endpoints(organization)
        if heard is not None:
            with self._store.write() as transaction:
                machines.note_endpoints(transaction, organization, heard)

    def _note_all_endpoints(self) -> None:
        """For a later hub that has to make the links anew."""
        for organization in self._plane.organizations():
            with suppress(HubError, Unavailable):
                self._note_endpoints(organization)

    def _sweep(self) -> tuple[str, ...]:
        return (FRONT_DOOR, *self._plane.wanted())

    def _mended(self, repair: Repair) -> None:
        found = [f"{finding.part.value}: {finding.what}" for finding in repair.found]
        self._repairs.update(finding.part.value for finding in repair.found)
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

    @singledispatchmethod
    def answer(self, call: Any, caller: Caller = HERE) -> object:
        """Does what the call says, and gives what it promises.

        Args:
            caller: for whom; a change is given up when they are gone.
        """
        del caller
        raise HubError(f"no such call: {type(call).__name__}")

    @answer.register
    def _(self, call: messages.CreateKeys, caller: Caller = HERE) -> object:
        del caller
        return self._keyring.new_organization_keys(call.organization)

    @answer.register
    def _(self, call: messages.CreateCodeSecret, caller: Caller = HERE) -> object:
        del caller
        return self._keyring.new_code_secret(call.organization, call.member)

    @answer.register
    def _(self, call: messages.MatchCode, caller: Caller = HERE) -> object:
        del caller
        return self._keyring.matching_step(call.organization, call.member, call.sealed, call.code, call.at)

    @answer.register
    def _(self, call: messages.FreePorts, caller: Caller = HERE) -> object:
        del caller
        return list(islice((port for port in call.candidates if is_free(port)), call.most))

    @answer.register
    def _(self, call: messages.Apply, caller: Caller = HERE) -> object:
        is_large = call.desired is not None and len(call.desired.policy.rules) > _LARGE
        with self._shares.turn(call.organization, caller, is_large=is_large):
            _check_size(call.desired)
            self._arbiter.apply(call.organization, call.desired, base=call.base, revision=call.revision, caller=caller)
        return None

    @answer.register
    def _(self, call: messages.Amend, caller: Caller = HERE) -> object:
        is_large = len(call.difference.rules) + len(call.difference.rules_gone) > _LARGE
        with self._shares.turn(call.organization, caller, is_large=is_large):
            desired = self._arbiter.amended(call.organization, call.difference, call.base)
            if desired is None:
                return False
            _check_size(desired)
            self._arbiter.apply(call.organization, desired, base=call.base, revision=call.revision, caller=caller)
        return True

    @answer.register
    def _(self, call: messages.Withdraw, caller: Caller = HERE) -> object:
        del caller
        self._arbiter.withdraw(call.organization, call.revision)
        # Of a commit that failed it is not always known whether it did.
        self._agreement.hurry()
        return None

    @answer.register
    def _(self, call: messages.Confirm, caller: Caller = HERE) -> object:
        del caller
        self._arbiter.confirm(call.organization, call.revision)
        return None

    @answer.register
    def _(self, call: messages.Remove, caller: Caller = HERE) -> object:
        del caller
        self._arbiter.remove(call.organization)
        return None

    @answer.register
    def _(self, call: messages.Peers, caller: Caller = HERE) -> object:
        del caller
        return self._plane.peers(call.organization)

    @answer.register
    def _(self, call: messages.Counters, caller: Caller = HERE) -> object:
        del caller
        return self._plane.counters(call.organization)

    @answer.register
    def _(self, call: messages.Census, caller: Caller = HERE) -> object:
        del call, caller
        return self._plane.census()

    @answer.register
    def _(self, call: messages.Status, caller: Caller = HERE) -> object:
        del call, caller
        with self._store.read() as transaction:
            expected = organizations.count_enforced(transaction)
        backend, levels = self._plane.backend, self._door.levels()
        return messages.HubStatus(
            backend.name,
            backend.version,
            len(self._plane.organizations()),
            expected,
            restored=self._restored,
            repairs=dict(self._repairs),
            public_port=self._door.port,
            door=self._door.counters(),
            door_entries={name: level.entries for name, level in levels.items()},
            door_room={name: level.room for name, level in levels.items()},
            work=self._shares.figures(),
            tracking=self._warden.figures(),
            calls=self._calls.figures(),
        )

    @answer.register
    def _(self, call: messages.TearDown, caller: Caller = HERE) -> object:
        del call, caller
        self._end_looking()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            complaints = [each for each in pool.map(self._complaint_of_removal, self._plane.present()) if each]
        self._watcher.forget(FRONT_DOOR)
        self._door.remove()
        self._ledger.close()
        if complaints:
            raise HubError(f"organizations that could not be removed: {len(complaints)} ({complaints[0]})")
        return None

    def _complaint_of_removal(self, organization: str) -> str:
        """Removes it; one that can't be removed does not keep the others."""
        try:
            self._plane.remove(organization)
        except HubError as error:
            return str(error)
        return ""

    @answer.register
    def _(self, call: messages.RotateSecret, caller: Caller = HERE) -> object:
        del caller
        self._keyring.rotate(call.present, call.new)
        return None


def _check_size(desired: Desired | None) -> None:
    if desired is not None:
        try:
            desired.check_size()
        except Invalid as error:
            raise HubError(error.detail) from error


def serve(hub: Hub, socket_path: Path, allowed_uids: Collection[int], on_ready: Callable[[], None]) -> None:
    """Answers until SIGTERM or SIGINT, and restores the data plane meanwhile. The data plane stays as it is."""
    sys.setswitchinterval(_SWITCH_S)
    hub.open()
    server = Server(socket_path, allowed_uids, hub.answer, hub.caller_is_gone)
    thread = threading.Thread(target=server.serve, name="hub-accept")
    thread.start()
    # A call for an organization that is not restored yet makes it so by itself.
    restoring = threading.Thread(target=hub.restore, name="hub-restore", daemon=True)
    restoring.start()
    on_ready()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.close()
    thread.join()
    hub.close()
