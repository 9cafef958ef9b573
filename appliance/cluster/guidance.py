"""Wishes of operators: which hosts are drained, and where a shard is moved to; and a list of the hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.cluster.etcd import Etcd
from appliance.cluster.owner import Owner, owner_key, shard_prefix

MOVE_S = 10
"""Seconds for which a shard that is moved waits for its new host; then any host may take it."""

PRESENCE_S = 10
"""Seconds after which a host that says nothing is taken for gone."""

STANDBY_S = 10
"""Seconds for which a host that says nothing keeps the place of the one that is prepared for a shard."""

_HOSTS, _DRAINED = "meshwg/hosts/", "meshwg/drained/"


@dataclass(frozen=True)
class HostState:
    """A host as the others know it.

    Attributes:
        is_there: it runs, and reaches etcd.
        is_drained: it takes no shard.
    """

    name: str
    is_there: bool
    is_drained: bool

    @property
    def takes_shards(self) -> bool:
        """True if it may own a shard now."""
        return self.is_there and not self.is_drained


@dataclass(frozen=True)
class Placement:
    """Host that a shard is moved to, and the one that is prepared for it.

    Attributes:
        moved_to: host that operators move it to; None: any may have it.
        prepared: host that is prepared to take it; None: none is.
    """

    moved_to: str | None
    prepared: str | None

    def admits(self, host: str) -> bool:
        """Tell whether a host may own the shard: it is not moved to another one."""
        return self.moved_to in (None, host)

    def yields(self, host: str) -> bool:
        """Tell whether a host lets another one, which is prepared, take the shard; not if it is moved to this host."""
        return self.prepared not in (None, host) and self.moved_to != host


class Guidance:
    """Operators' wishes, kept in etcd.

    Args:
        etcd: asked by this object alone.

    Raises:
        EtcdUnreachable: (every method) no majority of etcd answers.
    """

    def __init__(self, etcd: Etcd) -> None:
        self._etcd = etcd
        self._presence: int | None = None

    def is_drained(self, host: str) -> bool:
        """Tell whether a host is to have no shard."""
        return self._etcd.holder(_DRAINED + host) is not None

    def placement(self, shard: str) -> Placement:
        """Read where a shard is to be, at once."""
        found = self._etcd.under(shard_prefix(shard))
        return Placement(found.get(_move_key(shard)), found.get(_standby_key(shard)))

    def stand_by(self, shard: str, host: str) -> bool:
        """Have a host be the one that is prepared for a shard, unless another one is, or this one is drained.

        To be called again well within `STANDBY_S`, after which another host may be.
        """
        if self.is_drained(host):
            return False
        found = self._etcd.holder(_standby_key(shard))
        if found is None:
            return self._etcd.claim(_standby_key(shard), host, self._etcd.grant(STANDBY_S)) is not None
        return found.value == host and self._etcd.renew(found.lease)

    def drain(self, host: str) -> None:
        """Have a host give up its shards, and take none."""
        self._etcd.keep(_DRAINED + host, "")

    def join(self, host: str) -> None:
        """Let a drained host take shards again."""
        self._etcd.forget(_DRAINED + host)

    def move(self, shard: str, host: str) -> None:
        """Have the owner of a shard give it up for another host, which has `MOVE_S` to take it."""
        self._etcd.forget(_move_key(shard))
        self._etcd.claim(_move_key(shard), host, self._etcd.grant(MOVE_S))

    def show_up(self, host: str) -> None:
        """Tell the others that a host is there; to be called again well within `PRESENCE_S`."""
        if self._presence is not None and self._etcd.renew(self._presence):
            return
        self._presence = self._etcd.grant(PRESENCE_S)
        # The key of an earlier process of this host would end with its lease.
        self._etcd.forget(_HOSTS + host)
        self._etcd.claim(_HOSTS + host, "", self._presence)

    def leave(self) -> None:
        """Tell the others that this host is gone."""
        if self._presence is not None:
            self._etcd.revoke(self._presence)

    def hosts(self) -> list[HostState]:
        """All hosts that are there or drained, by name."""
        there, drained = self._names(_HOSTS), self._names(_DRAINED)
        return [HostState(name, name in there, name in drained) for name in sorted(there | drained)]

    def owners(self, shards: list[str]) -> Mapping[str, Owner]:
        """Owners of these shards by shard; one without an owner has none."""
        found = {shard: self._etcd.holder(owner_key(shard)) for shard in shards}
        return {shard: Owner.parse(claim.value) for shard, claim in found.items() if claim is not None}

    def _names(self, prefix: str) -> set[str]:
        return {key.removeprefix(prefix) for key in self._etcd.under(prefix)}


def _move_key(shard: str) -> str:
    return f"{shard_prefix(shard)}move"


def _standby_key(shard: str) -> str:
    return f"{shard_prefix(shard)}standby"
