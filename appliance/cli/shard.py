"""Hub of one shard: waits until the shard has no owner, owns it, and gives everything up when it loses it."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import structlog

from appliance.cli import operations
from appliance.cli.endings import is_asked_to_end
from appliance.cli.standing_by import Candidacy
from appliance.cli.store_probe import StoreProbe
from appliance.cluster.addresses import PublicAddress
from appliance.cluster.errors import EtcdUnreachable, Lost
from appliance.cluster.etcd import Etcd, Identity, SocketAddress
from appliance.cluster.guidance import Guidance
from appliance.cluster.owner import Owner, owner_key
from appliance.cluster.passage import Passage
from appliance.cluster.relay import Listener
from appliance.cluster.tenure import LeaseTiming, Tenure
from appliance.host.clocks import boot_id, boottime
from appliance.hub import service
from appliance.hub.errors import HubError, log_error
from appliance.hub.front_door import FrontDoor
from appliance.hub.front_door.lease_gate import LeaseGate
from appliance.hub.names import Names
from appliance.hub.plane.standby import Standby
from appliance.hub.rpc.messages import ShardStatus
from appliance.hub.rpc.server import Server
from appliance.hub.wireguard import Backend
from appliance.model.errors import Unavailable
from appliance.store import Store, shards
from appliance.store import operations as command_log
from appliance.store.shards import Fence, Shard
from appliance.vault import Vault

log = structlog.get_logger()

_LOOK_S = 0.1
_LOOK_FOR_WISHES_S = 0.3
_CALLS_WAIT_S = 1.0


@dataclass(frozen=True)
class Host:
    """A host of hubs, as one hub of it is told.

    Attributes:
        name: DNS name in the certificate, unique in the cluster.
        guidance: tells which shards this host may have now.
        store: connected to the database that all hosts share; this hub's alone.
        address: leads the shard's address to this host.
        state_folder: notes for a later hub of this shard, of the same boot.
        socket_path: for calls of this host's root.
        calls: address for calls from other hosts; a port of 0 takes a free one.
        identity: certificate of this host for these calls.
        stands_by: it prepares for shards of others, if no other host does.
    """

    name: str
    etcd: Etcd
    guidance: Guidance
    store: Store
    vault: Vault
    backend: Backend
    address: PublicAddress
    state_folder: Path
    socket_path: Path
    calls: SocketAddress
    identity: Identity
    timing: LeaseTiming
    stands_by: bool = False


class _Desk:
    """Takes calls of other hosts; a call that comes before the hub is ready waits for a moment."""

    def __init__(self, host: Host) -> None:
        self._server: Server | None = None
        self._is_open = threading.Event()
        self._listener = Listener(host.calls, host.identity, self._serve)
        self.owner = Owner(host.name, SocketAddress(host.calls.host, self._listener.port), boot_id())

    @property
    def refused(self) -> dict[str, int]:
        """Connections of other hosts that were refused, by reason."""
        return dict(self._listener.refused)

    def open(self, server: Server) -> None:
        self._server = server
        self._is_open.set()

    def close(self) -> None:
        self._listener.close()

    def _serve(self, connection: socket.socket, caller: str) -> None:
        self._is_open.wait(_CALLS_WAIT_S)
        if self._server is None:
            connection.close()
        else:
            self._server.converse(connection, caller)


def serve(shard: Shard, host: Host, on_ready: Callable[[], None] = lambda: None) -> None:
    """Wait for the shard, and be its hub until SIGTERM, SIGINT or the loss of the lease.

    After SIGTERM the tunnels stay and the lease runs on, for a hub of this host that starts at once. After SIGINT the
    shard is another hub's to take, and nothing of it stays here. The calling thread must have both signals blocked, and
    so must all others.

    Args:
        on_ready: called when packets can pass.

    Raises:
        HubError, Unavailable: the host or the database refused something. The lease is not renewed any more, and is
            given up at once if the gate was not opened.
    """
    made = _ShardHub(shard, host, on_ready)
    if made.obtain():
        made.serve()


class _ShardHub:
    """Hub of a shard, from its wait for the shard until it gives it up.

    Args:
        on_ready: called when packets can pass.
    """

    def __init__(self, shard: Shard, host: Host, on_ready: Callable[[], None]) -> None:
        names, address = Names(shard.id), ip_address(shard.address)
        self._shard = shard
        self._host = host
        self._on_ready = on_ready
        self._gate = LeaseGate(names.gate, address, shard.port)
        # One of its own for its counters, as the thread that renews the lease uses the other.
        self._counted = LeaseGate(names.gate, address, shard.port)
        self._counting = threading.Lock()
        self._desk = _Desk(host)
        self._passage = Passage(self._gate, host.address)
        self._tenure = Tenure(host.etcd, owner_key(shard.id), self._desk.owner, self._passage, host.timing)
        host.store.fence = Fence(shard.id, shards.NOBODY)
        door = FrontDoor(names, shard.port, address=address)
        self._hub = service.Hub(
            names, host.backend, door, host.store, host.vault, host.state_folder, shard_status=self._status
        )
        standby = Standby(host.store, self._hub.upkeep, self._gate.put_up) if host.stands_by else None
        probe = StoreProbe(lambda: _look(host.store))
        self._candidacy = Candidacy(host.guidance, shard.id, host.name, probe, standby)
        self._taken_at = 0.0
        self._prepared_host: str | None = None
        self._has_been_ours = self._is_lost = self._is_open = False

    def obtain(self) -> bool:
        """Wait until the shard is ours; tells whether it is, or what was prepared for it is given up."""
        has_been_ours = _obtain(self._tenure, self._candidacy, self._gate)
        if has_been_ours is None:
            self._desk.close()
            if self._candidacy.end() is not None:
                _take_back(self._hub, self._gate)
            self._gate.close()
            self._counted.close()
            return False
        self._has_been_ours = has_been_ours
        return True

    def serve(self) -> None:
        """Be the shard's hub until asked to end, or until the lease is lost."""
        if not self._gate.is_up():
            self._gate.put_up()
        self._taken_at = boottime()
        # Before everything that may take longer than the lease lasts.
        self._tenure.keep(self._lose)
        try:
            threading.Thread(target=self._follow, name="guidance", daemon=True).start()
            prepared = self._candidacy.end()
            self._begin(prepared)
            turn = (lambda: None) if prepared is None else prepared.turn_to_machines
            host = self._host
            service.serve(self._hub, host.socket_path, None, self._open_gate, self._end, turn)
        except Exception:
            if not self._is_open:
                # Another host may do better at once.
                with suppress(EtcdUnreachable, HubError):
                    self._tenure.release()
            raise
        finally:
            # As late as possible: from now on the lease runs out, and a hub of this host that goes on has to load
            # nothing more, but to open the store.
            self._tenure.leave()
            self._desk.close()
            self._gate.close()
            self._counted.close()

    def _status(self) -> ShardStatus:
        now = boottime()
        with self._counting:
            shut_out = self._counted.turned_away()
        return ShardStatus(
            self._shard.endpoint,
            self._host.name,
            self._tenure.token,
            now - self._taken_at,
            now - max(self._passage.renewed, self._taken_at),
            shut_out,
            self._desk.refused,
            self._prepared_host,
        )

    def _lose(self) -> None:
        self._is_lost = True
        os.kill(os.getpid(), signal.SIGINT)

    def _begin(self, prepared: Standby | None) -> None:
        shard, host = self._shard, self._host
        host.store.fence = fence = Fence(shard.id, self._tenure.token)
        with host.store.write() as transaction:
            shards.begin(transaction, fence)
            if not self._has_been_ours:
                command_log.record(
                    transaction, operations.command(command_log.SHARD_TAKEN, endpoint=shard.endpoint, host=host.name)
                )
        if prepared is not None:
            prepared.catch_up()
        elif not self._has_been_ours:
            # What an earlier time of ownership left may allow what others have denied since.
            self._hub.upkeep.clear()

    def _open_gate(self, server: Server) -> None:
        self._desk.open(server)
        try:
            self._tenure.open()
            self._on_ready()
        except (EtcdUnreachable, Lost) as error:
            log.error("the front door can't be opened", shard=self._shard.id, error=str(error))
        self._is_open = True

    def _end(self, came: int) -> None:
        self._desk.close()
        if came == signal.SIGTERM:
            return
        upkeep = self._hub.upkeep
        if not self._is_lost:
            # While writes are still ours: the next owner turns to the machines there.
            upkeep.note_endpoints()
            # Conversations go on, and a change that begins after the release would outlive this process.
            upkeep.arbiter.close()
            try:
                self._tenure.release()
            except EtcdUnreachable as error:
                log.warning(
                    "the next owner has to wait for the end of the lease", shard=self._shard.id, error=str(error)
                )
        try:
            upkeep.tear_down()
            self._gate.remove()
        except (HubError, Unavailable) as error:
            # The gate stays, shut, before what is left.
            log_error("a part of the shard remains on this host", error)

    def _follow(self) -> None:
        """Give the shard up as soon as operators want it elsewhere; note which host is prepared for it meanwhile."""
        guidance, shard, never = self._host.guidance, self._shard.id, threading.Event()
        is_silent = False
        while not never.wait(_LOOK_FOR_WISHES_S):
            try:
                placement = guidance.placement(shard)
                if guidance.is_drained(self._host.name) or not placement.admits(self._host.name):
                    log.info("operators want the shard elsewhere", shard=shard)
                    os.kill(os.getpid(), signal.SIGINT)
                    return
                self._prepared_host = placement.prepared
                is_silent = False
            except EtcdUnreachable as error:
                if not is_silent:
                    log.warning("etcd can't be asked for wishes", error=str(error))
                is_silent = True


def _obtain(tenure: Tenure, candidacy: Candidacy, gate: LeaseGate) -> bool | None:
    """Wait until the shard is ours; tells whether it has been, with its gate open, and without another owner since.

    Returns:
        None if asked to end, or if what was prepared has to be given up.
    """
    while True:
        try:
            if tenure.resume():
                # An owner that was killed before it opened the gate may have left what others have changed since.
                return gate.has_been_opened()
            if gate.has_been_opened():
                gate.shut()
            if tenure.acquire(candidacy.admits):
                return False
            if not candidacy.wait_on():
                return None
        except EtcdUnreachable as error:
            log.warning("etcd can't be asked", error=str(error))
        if is_asked_to_end(_LOOK_S):
            return None


def _look(store: Store) -> None:
    """Read from the store what every hub of a shard needs; raises if that can't be done."""
    with store.read() as transaction:
        shards.find_all(transaction)


def _take_back(hub: service.Hub, gate: LeaseGate) -> None:
    """Remove what was prepared; after SIGTERM that is left to the hub that starts at once, which prepares anew."""
    try:
        if signal.SIGTERM not in signal.sigpending():
            hub.upkeep.tear_down()
            gate.remove()
        hub.upkeep.close()
    except HubError as error:
        # The gate stays, shut, before what is left.
        log_error("a part of the shard remains on this host", error)
