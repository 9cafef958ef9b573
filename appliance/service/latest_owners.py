"""Owners of shards as etcd named them lately, with a client for the hub of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from appliance.cluster.errors import EtcdUnreachable
from appliance.cluster.etcd import Etcd, LeasedKey
from appliance.cluster.owner import Owner, owner_key
from appliance.hub.errors import HubUnreachable
from appliance.hub.rpc.client import HubClient
from appliance.store.shards import Fence

LIFE_S = 2.0
"""Seconds for which an owner is called without asking etcd again: as long as a former one that answers is called."""

SILENCE_S = 1.0
"""Seconds for which etcd is not asked after it did not answer."""


@dataclass(frozen=True)
class ShardOwner:
    """Hub of a shard.

    Attributes:
        hub: client of it.
        until: when etcd is asked again; by the clock of `LatestOwners`.
        is_doubted: it is called again only if etcd names it again.
    """

    shard: str
    claim: LeasedKey
    hub: HubClient
    until: float
    is_doubted: bool = False

    @property
    def fence(self) -> Fence:
        """Right to write for the shard."""
        return Fence(self.shard, self.claim.token)

    def is_at(self, claim: LeasedKey) -> bool:
        """Tell whether a claim is of the same process: one that is restarted takes calls elsewhere."""
        return (self.claim.token, self.claim.value) == (claim.token, claim.value)


class LatestOwners:
    """Finds the owners of shards. Any thread may use it.

    An owner that was found is used for `LIFE_S`. Then one caller asks etcd, while the others go on with what is known.
    While etcd does not answer, the known owners are used, and callers that need another one are refused at once: each
    would wait for all members, and for those that came before it.

    Args:
        make: makes a client of the hub of a shard, whose owner is given.
        count: called with the reason when an owner is not found: ``etcd`` (it did not answer) or ``unowned``.
        clock: monotonic seconds.

    Raises:
        HubUnreachable: (methods that find an owner) the shard has none, or etcd did not answer.
    """

    def __init__(
        self,
        etcd: Etcd,
        make: Callable[[str, Owner], HubClient],
        count: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._etcd = etcd
        self._make = make
        self._count = count
        self._clock = clock
        self._known: dict[str, ShardOwner] = {}
        # For what is known; held for a moment.
        self._lock = threading.Lock()
        # Held by the caller that asks etcd, which alone changes the time.
        self._asking = threading.Lock()
        self._silent_until: float | None = None

    def find(self, shard: str) -> ShardOwner:
        """Find the owner, as it was at most some seconds ago."""
        with self._lock:
            known, now = self._known.get(shard), self._clock()
            if known is None or known.is_doubted:
                known = None
            elif now < known.until:
                return known
            else:
                # Others use it while this caller asks; so does everybody while etcd does not answer.
                known = self._known[shard] = replace(known, until=now + LIFE_S)
        try:
            return self._read(shard)
        except EtcdUnreachable as error:
            if known is not None:
                return known
            raise self._unanswered(shard, error) from error

    def find_present(self, shard: str) -> ShardOwner:
        """Find the owner as a majority of etcd names it now."""
        try:
            return self._read(shard)
        except EtcdUnreachable as error:
            raise self._unanswered(shard, error) from error

    def doubt(self, owner: ShardOwner) -> None:
        """Have etcd asked before this owner is called again."""
        with self._lock:
            known = self._known.get(owner.shard)
            if known is not None and known.is_at(owner.claim):
                # Its client stays, with the connections of all threads, in case etcd names it again.
                self._known[owner.shard] = replace(known, is_doubted=True)

    def _read(self, shard: str) -> ShardOwner:
        """Ask etcd.

        Raises:
            EtcdUnreachable: it does not answer, or did not a moment ago.
            HubUnreachable: the shard has no owner.
        """
        self._check_silence()
        with self._asking:
            # Whoever waited for another caller has the same answer.
            self._check_silence()
            claim = self._holder(shard)
            # Before the next one asks, so that an earlier answer replaces no later one.
            found = self._kept(shard, claim)
        if found is None:
            self._count("unowned")
            raise HubUnreachable(f"shard {shard} has no owner now")
        return found

    def _kept(self, shard: str, claim: LeasedKey | None) -> ShardOwner | None:
        with self._lock:
            known = self._known.pop(shard, None)
            if claim is None:
                return None
            hub = known.hub if known is not None and known.is_at(claim) else self._make(shard, Owner.parse(claim.value))
            found = self._known[shard] = ShardOwner(shard, claim, hub, self._clock() + LIFE_S)
        return found

    def _holder(self, shard: str) -> LeasedKey | None:
        if self._silent_until is not None:
            # This caller alone finds out whether etcd is back; the others are refused meanwhile.
            self._silent_until = self._clock() + SILENCE_S
        try:
            claim = self._etcd.holder(owner_key(shard))
        except EtcdUnreachable:
            self._silent_until = self._clock() + SILENCE_S
            raise
        self._silent_until = None
        return claim

    def _check_silence(self) -> None:
        until = self._silent_until
        if until is not None and self._clock() < until:
            raise EtcdUnreachable("etcd did not answer a moment ago")

    def _unanswered(self, shard: str, error: EtcdUnreachable) -> HubUnreachable:
        self._count("etcd")
        return HubUnreachable(f"the owner of shard {shard} can't be found: {error}")
