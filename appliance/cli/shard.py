"""Hub of one shard: waits until the shard has no owner, owns it, and gives everything up when it loses it."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Collection
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
from appliance.cluster.boottime import boottime
from appliance.cluster.errors import EtcdUnreachable, Lost
from appliance.cluster.etcd import Etcd, Identity, SocketAddress
from appliance.cluster.guidance import Guidance
from appliance.cluster.owner import Owner, owner_key
from appliance.cluster.passage import Passage
from appliance.cluster.relay import Listener
from appliance.cluster.tenure import LeaseTiming, Tenure
from appliance.host.clocks import boot_id
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
from appliance.store import operations as trail
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
        socket_path: for calls.
        allowed_uids: users who may call.
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
    allowed_uids: Collection[int]
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
    names = Names(shard.id)
    gate = LeaseGate(names.gate, ip_address(shard.address), shard.port)
    desk = _Desk(host)
    passage = Passage(gate, host.address)
    tenure = Tenure(host.etcd, owner_key(shard.id), desk.owner, passage, host.timing)
    host.store.fence = Fence(shard.id, shards.NOBODY)
    door = FrontDoor(names, shard.port, address=ip_address(shard.address))

    prepared_host: str | None = None

    def note_prepared(name: str | None) -> None:
        nonlocal prepared_host
        prepared_host = name

    def status() -> ShardStatus:
        now = boottime()
        with counting:
            shut_out = watched.turned_away()
        return ShardStatus(
            shard.endpoint,
            host.name,
            tenure.token,
            now - taken,
            now - max(passage.renewed, taken),
            shut_out,
            desk.refused,
            prepared_host,
        )

    hub = service.Hub(names, host.backend, door, host.store, host.vault, host.state_folder, shard_status=status)
    standby = Standby(host.store, hub.upkeep, gate.put_up) if host.stands_by else None
    candidacy = Candidacy(host.guidance, shard.id, host.name, StoreProbe(lambda: _look(host.store)), standby)
    has_been_ours = _obtain(tenure, candidacy, gate)
    if has_been_ours is None:
        desk.close()
        if candidacy.end() is not None:
            _take_back(hub, gate)
        gate.close()
        return
    if not gate.is_up():
        gate.put_up()
    taken, counting = boottime(), threading.Lock()
    # One of its own, as the thread that renews the lease uses the other.
    watched = LeaseGate(names.gate, ip_address(shard.address), shard.port)
    is_lost = is_open = False

    def lose() -> None:
        nonlocal is_lost
        is_lost = True
        os.kill(os.getpid(), signal.SIGINT)

    def begin(prepared: Standby | None) -> None:
        host.store.fence = fence = Fence(shard.id, tenure.token)
        with host.store.write() as transaction:
            shards.begin(transaction, fence)
            if not has_been_ours:
                trail.record(
                    transaction, operations.command(trail.SHARD_TAKEN, endpoint=shard.endpoint, host=host.name)
                )
        if prepared is not None:
            prepared.catch_up()
        elif not has_been_ours:
            # What an earlier time of ownership left may allow what others have denied since.
            hub.upkeep.clear()

    def open_gate(server: Server) -> None:
        nonlocal is_open
        desk.open(server)
        try:
            tenure.open()
            on_ready()
        except (EtcdUnreachable, Lost) as error:
            log.error("the front door can't be opened", shard=shard.id, error=str(error))
        is_open = True

    def end(came: int) -> None:
        desk.close()
        if came == signal.SIGTERM:
            return
        if not is_lost:
            # While writes are still ours: the next owner turns to the machines there.
            hub.upkeep.note_endpoints()
            # Conversations go on, and a change that begins after the release would outlive this process.
            hub.upkeep.arbiter.close()
            try:
                tenure.release()
            except EtcdUnreachable as error:
                log.warning("the next owner has to wait for the end of the lease", shard=shard.id, error=str(error))
        try:
            hub.upkeep.tear_down()
            gate.remove()
        except (HubError, Unavailable) as error:
            # The gate stays, shut, before what is left.
            log_error("a part of the shard remains on this host", error)

    # Before everything that may take longer than the lease lasts.
    tenure.keep(lose)
    try:
        threading.Thread(target=_follow, args=(host, shard, note_prepared), name="guidance", daemon=True).start()
        prepared = candidacy.end()
        begin(prepared)
        turn = (lambda: None) if prepared is None else prepared.turn_to_machines
        service.serve(hub, host.socket_path, host.allowed_uids, open_gate, end, turn)
    except Exception:
        if not is_open:
            # Another host may do better at once.
            with suppress(EtcdUnreachable, HubError):
                tenure.release()
        raise
    finally:
        # As late as possible: from now on the lease runs out, and a hub of this host that goes on has to load nothing
        # more, but to open the store.
        tenure.leave()
        desk.close()
        gate.close()
        watched.close()


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


def _follow(host: Host, shard: Shard, note_prepared: Callable[[str | None], None]) -> None:
    """Give the shard up as soon as operators want it elsewhere; note which host is prepared for it meanwhile."""
    never = threading.Event()
    is_silent = False
    while not never.wait(_LOOK_FOR_WISHES_S):
        try:
            placement = host.guidance.placement(shard.id)
            if host.guidance.is_drained(host.name) or not placement.admits(host.name):
                log.info("operators want the shard elsewhere", shard=shard.id)
                os.kill(os.getpid(), signal.SIGINT)
                return
            note_prepared(placement.prepared)
            is_silent = False
        except EtcdUnreachable as error:
            if not is_silent:
                log.warning("etcd can't be asked for wishes", error=str(error))
            is_silent = True
