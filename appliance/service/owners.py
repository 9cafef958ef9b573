"""Hubs of several hosts as one: each call goes to the hub that owns the organization's shard."""

from __future__ import annotations

import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from appliance.cluster.errors import ClusterError
from appliance.cluster.etcd import Etcd
from appliance.cluster.owner import Owner
from appliance.cluster.relay import connect
from appliance.hub.errors import HubError, HubUnreachable
from appliance.hub.rpc.client import HubClient
from appliance.hub.rpc.messages import HubStatus, ShardStatus, together
from appliance.model.desired import Desired, PeerStatus, RuleCount
from appliance.model.probes import Probe
from appliance.service.latest_owners import LatestOwners, ShardOwner
from appliance.service.side_by_side import SideBySide
from appliance.store import Store, organizations, shards
from appliance.store.shards import Fence
from appliance.vault import CodeSecret, SealedKeys

T = TypeVar("T")

_WAITS_S = 20.0
# For all shards together: less than a scrape's usual time-out of 10 s.
_STATUS_WITHIN_S = 5.0


class OwningHubs:
    """Calls the owner of each organization's shard (`context.HubPort`).

    The owner is looked up in etcd when none is known, and when the known one was looked up some seconds ago, does not
    answer, or had a change taken back. Every method raises `HubUnreachable` if the shard has no owner that answers;
    nothing was changed then, or the owner that comes next enforces what the store has.

    Args:
        store: tells the shard of an organization.
        identity: of this host, for the calls.
    """

    def __init__(self, store: Store, etcd: Etcd, identity: ssl.SSLContext) -> None:
        self._store = store
        self._identity = identity
        self._owners = LatestOwners(etcd, self._client, self._count)
        self._unanswered = Counter[str]()
        self._lock = threading.Lock()
        self._local = threading.local()
        self._statuses = SideBySide(lambda shard: self._at(shard, lambda hub: hub.status()))

    def create_keys(self, organization: str) -> SealedKeys:
        """Generate a hub key pair for a new organization, at any hub; returned sealed."""
        return self._anywhere(lambda hub: hub.create_keys(organization))

    def create_code_secret(self, organization: str, member: str) -> CodeSecret:
        """Generate a secret for one-time codes of a member, at any hub; returned plain and sealed."""
        return self._anywhere(lambda hub: hub.create_code_secret(organization, member))

    def match_code(self, organization: str, member: str, sealed: bytes, code: str, at: float) -> int | None:
        """Find the time step of a member's one-time code, at any hub; None if the code is wrong."""
        return self._anywhere(lambda hub: hub.match_code(organization, member, sealed, code, at))

    def free_ports(self, candidates: Sequence[int], most: int) -> Sequence[int]:
        """Find the first free UDP ports of these on any hub's host, at most ``most``."""
        return self._anywhere(lambda hub: hub.free_ports(candidates, most))

    def apply(
        self, organization: str, desired: Desired | None, *, base: int, revision: int, before: Desired | None = None
    ) -> None:
        """Enforce a change at the owner, whose `fence` the commit has to check."""
        owner = self._owners.find(self._shard_of(organization))
        self._local.applied = organization, owner
        try:
            owner.hub.apply(organization, desired, base=base, revision=revision, before=before)
        except HubUnreachable:
            # Not tried at another: it may have been enforced, and this one compares itself with the store.
            self._owners.doubt(owner)
            raise

    def fence(self, organization: str) -> Fence | None:
        """Owner at which this thread's last change was enforced; None if that was another organization's."""
        owner = self._enforcing(organization)
        return None if owner is None else owner.fence

    def withdraw(self, organization: str, revision: int) -> None:
        """Restore the state before this revision was applied, at the hub that enforced it.

        The commit may have failed because another hub owns the shard by now, so etcd is asked before the next call.
        """
        owner = self._enforcing(organization) or self._owners.find(self._shard_of(organization))
        try:
            owner.hub.withdraw(organization, revision)
        finally:
            self._owners.doubt(owner)

    def confirm(self, organization: str, revision: int) -> None:
        """Make sure, after the commit, that this thread's last change is in force."""
        self._at_owner(organization, lambda hub: hub.confirm(organization, revision))

    def remove(self, organization: str) -> None:
        """Remove everything of a deleted organization from the owner's host.

        Etcd is asked first, as no commit follows that checks the owner's right. An owner that comes later begins with
        the store, which says already that the organization is deleted.
        """
        shard = self._shard_of(organization)
        self._at(shard, lambda hub: hub.remove(organization), self._owners.find_present)

    def peers(self, organization: str) -> Sequence[PeerStatus]:
        """Read the status of the organization's machines from WireGuard."""
        return self._at_owner(organization, lambda hub: hub.peers(organization))

    def ping(self, organization: str, machine: str) -> float | None:
        """Ping a machine; returns milliseconds, or None if it did not reply."""
        return self._at_owner(organization, lambda hub: hub.ping(organization, machine))

    def measure(self, organization: str, probes: Sequence[Probe]) -> Sequence[bool]:
        """Measure which probes the rules in force forward."""
        return self._at_owner(organization, lambda hub: hub.measure(organization, probes))

    def counters(self, organization: str) -> Sequence[RuleCount]:
        """Read the counter of each rule of the organization."""
        return self._at_owner(organization, lambda hub: hub.counters(organization))

    def status(self) -> HubStatus:
        """Read the status of all shards side by side; organizations of those that don't answer count as not enforced.

        Raises:
            HubError: no shard has an owner that answers.
        """
        answers, lost = list[HubStatus](), list[ShardStatus]()
        complaint: HubError = HubUnreachable("there is no shard")
        with self._store.read() as transaction:
            all_shards = shards.find_all(transaction)
            expected = organizations.count_enforced(transaction)
        asked = self._statuses.answers([shard.id for shard in all_shards], _STATUS_WITHIN_S)
        for shard in all_shards:
            answer = asked[shard.id]
            try:
                if not answer.done():
                    raise HubUnreachable(f"the hub of {shard.endpoint} did not answer in {_STATUS_WITHIN_S:.0f} s")
                answers.append(answer.result())
            except HubError as error:
                complaint = error
                lost.append(ShardStatus(shard.endpoint, None))
        if not answers:
            raise complaint
        found = together(answers)
        with self._lock:
            unanswered = dict(self._unanswered)
        return replace(found, expected=expected, shards=(*found.shards, *lost), unanswered=unanswered)

    def _at_owner(self, organization: str, ask: Callable[[HubClient], T]) -> T:
        """Ask the owner, and its successor if it does not answer; for calls that may be made twice."""
        return self._at(self._shard_of(organization), ask)

    def _anywhere(self, ask: Callable[[HubClient], T]) -> T:
        with self._store.read() as transaction:
            all_shards = shards.find_all(transaction)
        complaint = HubUnreachable("there is no shard")
        for shard in all_shards:
            try:
                return self._at(shard.id, ask)
            except HubUnreachable as error:
                complaint = error
        raise complaint

    def _at(self, shard: str, ask: Callable[[HubClient], T], find: Callable[[str], ShardOwner] | None = None) -> T:
        find = find or self._owners.find
        owner = find(shard)
        try:
            return ask(owner.hub)
        except HubUnreachable:
            self._owners.doubt(owner)
            latest = find(shard)
            if latest.is_at(owner.claim):
                raise
            return ask(latest.hub)

    def _enforcing(self, organization: str) -> ShardOwner | None:
        """Find the owner that this thread asked last to enforce a change; None if that was another organization's."""
        applied: tuple[str, ShardOwner] | None = getattr(self._local, "applied", None)
        return applied[1] if applied is not None and applied[0] == organization else None

    def _shard_of(self, organization: str) -> str:
        """Find the shard; without the store after a change, which is taken back when the store was lost."""
        owner = self._enforcing(organization)
        if owner is not None:
            return owner.shard
        with self._store.read() as transaction:
            shard = organizations.shard(transaction, organization)
        if shard is None:
            raise HubUnreachable(f"organization {organization} is in no shard")
        return shard

    def _client(self, shard: str, owner: Owner) -> HubClient:
        return HubClient(lambda: self._connected(owner), _WAITS_S, shard)

    def _connected(self, owner: Owner) -> socket.socket:
        try:
            return connect(owner.calls, owner.name, self._identity)
        except ClusterError as error:
            self._count("unreached")
            raise HubUnreachable(str(error)) from error

    def _count(self, reason: str) -> None:
        with self._lock:
            self._unanswered[reason] += 1
