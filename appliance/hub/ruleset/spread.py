"""Chains of one lookup's elements: one for all of them, or one that leads to the bucket of a packet's key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from appliance.hub.ruleset import buckets
from appliance.hub.ruleset.document import ChainDraft
from appliance.hub.ruleset.lookups import Key

V = TypeVar("V")


class Spread(Generic[V]):
    """Buckets that grow and shrink with their elements; only changed buckets are rewritten.

    Args:
        name: name of the chain that is called.
        fields: nftables expressions of a packet's key.
        size: returns the number of elements in a value.
        statements: returns the statements of a bucket's chain, independent of the order of its keys.
        miss: chain for packets whose bucket is empty; None: they return.

    Attributes:
        draft: the chains.
    """

    def __init__(
        self,
        name: str,
        fields: Sequence[str],
        size: Callable[[V], int],
        statements: Callable[[Mapping[Key, V]], Iterable[str]],
        *,
        miss: str | None,
    ) -> None:
        self.draft = ChainDraft()
        self._name = name
        self._fields = fields
        self._size_of = size
        self._statements = statements
        self._miss = miss
        self._size = 0
        self._parts: list[dict[Key, V]] = [{}]

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    @property
    def elements(self) -> int:
        """Number of elements in the values of all keys."""
        return self._size

    def update(self, changes: Mapping[Key, V | None]) -> None:
        """Set the values of keys; None removes a key."""
        touched = {self._bucket(key) for key in changes}
        filled = [bool(self._parts[bucket]) for bucket in touched]
        for key, value in changes.items():
            part = self._parts[self._bucket(key)]
            if key in part:
                self._size -= self._size_of(part.pop(key))
            if value is not None:
                part[key] = value
                self._size += self._size_of(value)
        count = buckets.count_for(self._size) if self._fields else 1
        if count != len(self._parts):
            self._spread_anew(count)
            return
        for bucket in touched:
            self._write(bucket)
        if count > 1 and filled != [bool(self._parts[bucket]) for bucket in touched]:
            self._lead()

    def _bucket(self, key: Key) -> int:
        count = len(self._parts)
        return buckets.bucket_of(key, count) if count > 1 else 0

    def _spread_anew(self, count: int) -> None:
        before = self._parts
        self._parts = [{} for _ in range(count)]
        for part in before:
            for key, value in part.items():
                self._parts[self._bucket(key)][key] = value
        self.draft = ChainDraft()
        for bucket in range(count):
            self._write(bucket)
        if count > 1:
            self._lead()

    def _write(self, bucket: int) -> None:
        chain = self._chain(bucket)
        self.draft.remove(chain)
        if part := self._parts[bucket]:
            self.draft.add_with_sets(chain, *self._statements(part))

    def _lead(self) -> None:
        count = len(self._parts)
        leads = [self._chain(bucket) if part else self._miss for bucket, part in enumerate(self._parts)]
        cases = ", ".join(f"{bucket} : goto {lead}" for bucket, lead in enumerate(leads) if lead is not None)
        hashed = f"jhash {' . '.join(self._fields)} mod {count} seed {buckets.SEED:#x}"
        self.draft.remove(self._name)
        self.draft.add_with_sets(self._name, f"{hashed} vmap {{ {cases} }}")

    def _chain(self, bucket: int) -> str:
        # Chains of another bucket count have other names, so that packets use the old ones until the switch.
        count = len(self._parts)
        return self._name if count == 1 else f"{self._name}_{count}_{bucket}"
