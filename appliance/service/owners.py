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
from appliance.cluster.etcd import Claim, Etcd
from appliance.cluster.owner import Owner, owner_key
from appliance.cluster.relay import connect
from appliance.hub.errors import HubError, HubUnreachable
from appliance.hub.rpc.client import HubClient
from appliance.hub.rpc.messages import HubStatus, ShardStatus, together
from appliance.model.desired import Desired, PeerStatus, RuleCount
from appliance.model.probes import Probe
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

    The owner is looked up in etcd when none is known or the known one does not answer. Every method raises
    `HubUnreachable` if the shard has no owner that answers; nothing was changed then, or the owner that comes next
    enforces what the store has.

    Args:
        store: tells the shard of an organization.
        identity: of this host, for the calls.
    """

    def __init__(self, store: Store, etcd: Etcd, identity: ssl.SSLContext) -> None:
        self._store = store
        self._etcd = etcd
        self._identity = identity
        self._known: dict[str, tuple[Claim, HubClient]] = {}
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
        shard = self._shard_of(organization)
        claim, hub = self._owner(shard)
        try:
            hub.apply(organization, desired, base=base, revision=revision, before=before)
        except HubUnreachable:
            # Not tried at another: it may have been enforced, and this one compares itself with the store.
            self._forget(shard, claim)
            raise
        self._local.applied = organization, Fence(shard, claim.token)

    def fence(self, organization: str) -> Fence | None:
        """Owner at which this thread's last change was enforced; None if that was another organization's."""
        applied: tuple[str, Fence] | None = getattr(self._local, "applied", None)
        return applied[1] if applied is not None and applied[0] == organization else None

    def withdraw(self, organization: str, revision: int) -> None:
        """Restore the state before this revision was applied."""
        self._at_owner(organization, lambda hub: hub.withdraw(organization, revision))

    def confirm(self, organization: str, revision: int) -> None:
        """Make sure, after the commit, that this thread's last change is in force."""
        self._at_owner(organization, lambda hub: hub.confirm(organization, revision))

    def remove(self, organization: str) -> None:
        """Remove everything of a deleted organization from the owner's host."""
        self._at_owner(organization, lambda hub: hub.remove(organization))

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

    def _at(self, shard: str, ask: Callable[[HubClient], T]) -> T:
        claim, hub = self._owner(shard)
        try:
            return ask(hub)
        except HubUnreachable:
            self._forget(shard, claim)
            latest, hub = self._owner(shard)
            if latest == claim:
                raise
            return ask(hub)

    def _shard_of(self, organization: str) -> str:
        """Find the shard; without the store after a change, which is taken back when the store was lost."""
        fence = self.fence(organization)
        if fence is not None:
            return fence.shard
        with self._store.read() as transaction:
            shard = organizations.shard(transaction, organization)
        if shard is None:
            raise HubUnreachable(f"organization {organization} is in no shard")
        return shard

    def _owner(self, shard: str) -> tuple[Claim, HubClient]:
        with self._lock:
            known = self._known.get(shard)
        if known is not None:
            return known
        try:
            claim = self._etcd.holder(owner_key(shard))
        except ClusterError as error:
            self._count("etcd")
            raise HubUnreachable(f"the owner of shard {shard} can't be found: {error}") from error
        if claim is None:
            self._count("unowned")
            raise HubUnreachable(f"shard {shard} has no owner now")
        owner = Owner.parse(claim.value)
        made = claim, HubClient(lambda: self._connected(owner), _WAITS_S)
        with self._lock:
            self._known[shard] = made
        return made

    def _connected(self, owner: Owner) -> socket.socket:
        try:
            return connect(owner.calls, owner.name, self._identity)
        except ClusterError as error:
            self._count("unreached")
            raise HubUnreachable(str(error)) from error

    def _count(self, reason: str) -> None:
        with self._lock:
            self._unanswered[reason] += 1

    def _forget(self, shard: str, claim: Claim) -> None:
        with self._lock:
            known = self._known.get(shard)
            if known is not None and known[0] == claim:
                del self._known[shard]
