"""``meshwg-hub``: the privileged process, and the only one that opens keys."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from appliance.host.clocks import HOST, HostClocks
from appliance.hub.errors import HubError
from appliance.hub.front_door import FrontDoor, is_free
from appliance.hub.names import Names
from appliance.hub.plane.change_scheduler import ChangeScheduler
from appliance.hub.plane.host_room import HostRoom
from appliance.hub.plane.keyring import Keyring
from appliance.hub.plane.retrying import tried_until_done
from appliance.hub.plane.state_checks import check_counts
from appliance.hub.plane.upkeep import Upkeep
from appliance.hub.rpc import messages
from appliance.hub.rpc.callers import LOCAL, WaitingCaller
from appliance.hub.rpc.server import Server
from appliance.hub.wireguard import Backend
from appliance.model.desired import Desired
from appliance.model.errors import Invalid
from appliance.store import Store, organizations
from appliance.vault import Vault

# Rules of a policy whose change may take much longer than most.
_LARGE = 500
# A thread that computes lets others go on after a millisecond, not after five: a small change goes through some twenty
# short waits, after each of which it would wait for a large one that is compiled.
_SWITCH_S = 0.001
# Pause before what a lost database has interrupted is tried again.
_AGAIN_S = 1.0
_READINGS = (messages.Peers, messages.Ping, messages.Measure, messages.Counters)


class Hub:
    """Answer the typed calls of `messages` with the data plane, the store and the vault.

    Args:
        state_folder: keeps the notes for a later hub process of the same boot.
        remember_secret: receives a new unlock secret just before it becomes the one that opens the store, for the hub
            that is started next.
        shard_status: tells of the shard that this hub owns; None where there is one hub.
        clocks: clocks of the host.

    Attributes:
        keyring: seals and opens what the store keeps.
        upkeep: looks after the data plane.
        turns: gives changes their turns.
        host_room: refuses new organizations where the host runs low.
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
        shard_status: Callable[[], messages.ShardStatus] | None = None,
        clocks: HostClocks = HOST,
    ) -> None:
        self._store = store
        self._shard_status = shard_status
        self.keyring = Keyring(store, vault, remember_secret)
        self.upkeep = Upkeep(names, backend, door, store, self.keyring.private_key, state_folder, clocks)
        self.turns = ChangeScheduler()
        self.host_room = HostRoom()

    @property
    def shard(self) -> str | None:
        """Id of the shard that this hub is for; None where there is one hub."""
        return self._store.shard

    def answer(self, call: messages.Call, caller: WaitingCaller = LOCAL) -> object:
        """Execute a call and return its answer.

        Args:
            caller: waits for the answer; a change is given up when it is gone.

        Raises:
            NotHere: this hub is giving up its organizations.
            HubError: the call failed.
        """
        try:
            return self._execute(call, caller)
        finally:
            # The one hub of a host tells its status until it ends; that of a shard has nothing to tell any more.
            if isinstance(call, _READINGS) or (isinstance(call, messages.Status) and self._shard_status is not None):
                # Looked at last: what was read of what is being removed is no answer.
                self.upkeep.arbiter.check_open()

    def _execute(self, call: messages.Call, caller: WaitingCaller) -> object:
        upkeep = self.upkeep
        match call:
            case messages.CreateKeys():
                return self.keyring.new_organization_keys(call.organization)
            case messages.CreateCodeSecret():
                return self.keyring.new_code_secret(call.organization, call.member)
            case messages.MatchCode():
                return self.keyring.matching_step(call.organization, call.member, call.sealed, call.code, call.at)
            case messages.FreePorts():
                return list(islice((port for port in call.candidates if is_free(port)), call.most))
            case messages.Apply():
                self._apply(call, caller)
            case messages.Amend():
                return self._amend(call, caller)
            case messages.Withdraw():
                upkeep.arbiter.withdraw(call.organization, call.revision)
                # The commit may have happened although it failed, so the store is compared soon.
                upkeep.agreement.hurry()
            case messages.Confirm():
                upkeep.arbiter.confirm(call.organization, call.revision)
            case messages.Remove():
                upkeep.arbiter.remove(call.organization)
            case messages.Peers():
                return upkeep.plane.peers(call.organization)
            case messages.Ping():
                return upkeep.pings.ping(call.organization, call.machine)
            case messages.Measure():
                return upkeep.measurements.measure(call.organization, call.probes)
            case messages.Counters():
                return upkeep.plane.counters(call.organization)
            case messages.Census():
                return upkeep.plane.census()
            case messages.Status():
                return self._status()
            case messages.TearDown():
                upkeep.tear_down()
            case messages.RotateSecret():
                self.keyring.rotate(call.present, call.new)
        return None

    def _apply(self, call: messages.Apply, caller: WaitingCaller) -> None:
        is_large = call.desired is not None and len(call.desired.policy.rules) > _LARGE
        with self.turns.turn(call.organization, caller, is_large=is_large):
            self._change(call, call.desired, caller)

    def _amend(self, call: messages.Amend, caller: WaitingCaller) -> bool:
        is_large = len(call.difference.rules) + len(call.difference.rules_gone) > _LARGE
        with self.turns.turn(call.organization, caller, is_large=is_large):
            desired = self.upkeep.arbiter.amended(call.organization, call.difference, call.base)
            if desired is not None:
                self._change(call, desired, caller)
        return desired is not None

    def _change(self, call: messages.Apply | messages.Amend, desired: Desired | None, caller: WaitingCaller) -> None:
        if desired is not None:
            check_counts(desired)
            try:
                desired.check_size()
            except Invalid as error:
                raise HubError(error.detail) from error
            self.upkeep.plane.wanted_states.check(desired)
            # The store has the state of a sign-up already, and the data plane has none.
            if call.base == call.revision and self.upkeep.plane.state(call.organization) is None:
                self.host_room.check()
        self.upkeep.arbiter.apply(call.organization, desired, base=call.base, revision=call.revision, caller=caller)

    def _status(self) -> messages.HubStatus:
        with self._store.read() as transaction:
            expected = organizations.count_enforced(transaction, self._store.shard)
        upkeep = self.upkeep
        backend, levels, resources = upkeep.plane.backend, upkeep.door.levels(), self.host_room.measure()
        states = upkeep.plane.wanted_states
        return messages.HubStatus(
            backend.name,
            backend.version,
            len(upkeep.plane.organizations()),
            expected,
            restored=upkeep.is_restored,
            repairs=dict(upkeep.repairs),
            public_port=upkeep.door.port,
            door=upkeep.door.counters(),
            door_entries={name: level.entries for name, level in levels.items()},
            door_room={name: level.room for name, level in levels.items()},
            work={**self.turns.figures(), "refused_memory": states.refused, "refused_host": self.host_room.refused},
            tracking=upkeep.connections.figures(),
            machine_calls=upkeep.machine_calls.figures(),
            pings=upkeep.pings.figures(),
            measurements=upkeep.measurements.figures(),
            used={**resources.used, "states": states.bytes},
            room={**resources.room, "states": states.most_bytes},
            shards=() if self._shard_status is None else (self._shard_status(),),
        )


def serve(
    hub: Hub,
    socket_path: Path,
    web_uid: int | None,
    on_ready: Callable[[Server], None],
    on_end: Callable[[int], None] = lambda _signal: None,
    before_restoring: Callable[[], None] = lambda: None,
) -> None:
    """Answer calls until SIGTERM or SIGINT, and restore the data plane meanwhile. The data plane stays afterwards.

    After an exception no call is answered, and no thread keeps the process from its end.

    Args:
        web_uid: user of the web process, who may call, as this process's user may; None if nobody else may.
        on_ready: called with the server when calls are answered.
        on_end: called with the signal when no more calls are answered.
        before_restoring: called by the thread that restores, again and again until it does not fail.
    """
    sys.setswitchinterval(_SWITCH_S)
    hub.upkeep.open()
    # A caller whose connection ended may have been killed in the middle of a change.
    server = Server(socket_path, web_uid, hub.answer, hub.upkeep.agreement.hurry, shard=hub.shard)
    thread = threading.Thread(target=server.serve, name="hub-accept", daemon=True)
    thread.start()
    try:
        # Before the restoring, whose first handshakes would be lost at a gate that this opens.
        on_ready(server)
        # A call for an organization that is not restored yet restores it first.
        threading.Thread(target=_restore, args=(hub.upkeep, before_restoring), name="hub-restore", daemon=True).start()
        came = signal.sigwait({signal.SIGTERM, signal.SIGINT})
    finally:
        hub.upkeep.ending.set()
        server.close()
        thread.join()
    on_end(came)
    hub.upkeep.close()


def _restore(upkeep: Upkeep, before: Callable[[], None]) -> None:
    """Restore the data plane. A database that is away, or a refusal of the host, only delays that."""
    for step in (before, upkeep.restore):
        tried_until_done(step, upkeep.ending, "the data plane can't be restored yet", _AGAIN_S, _AGAIN_S)
