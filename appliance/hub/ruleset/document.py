"""A ruleset as chains and counters, and the transactions that lead to it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

TABLE = "mesh"
_IN = f"inet {TABLE}"


Statements = tuple[str, ...]
Chains = dict[str, Statements]

_DIGEST = 6
_TO_LEAF = "goto "
_LEAF = re.compile(rf"_[0-9a-f]{{{2 * _DIGEST}}}$")

# The kernel goes through the sets of a transaction for each of them, and through all that a table has.
_LEAVES_AT_ONCE = 64
_PARTS_OF_A_SMALL_ONE = 3

UNKNOWN: Statements = ("?",)
"""The statements of a chain that is there and was not read; no chain is made of them."""


@dataclass(frozen=True)
class Count:
    """What a counter says; bytes are those of IP packets."""

    packets: int
    bytes: int


@dataclass(frozen=True)
class Ruleset:
    """Everything that the one table has.

    A change must not be seen half made. The kernel switches all chains to a transaction's new rules in one moment; but
    a packet that is on its way through the old ones then finds their maps empty, and one on its way through the new
    ones finds intervals that are not there yet. So what has sets is made before anything leads to it, and removed
    after nothing does: the moment itself changes only chains without sets.

    Attributes:
        hooks: for each base chain how it is hooked up, nft's ``type … hook … priority …; policy …;``.
        chains: the statements of each chain, base chains included. None has a set, but for those that never change.
        leaves: the statements of chains with sets. Their names tell what is in them, so none ever changes.
        counters: names of the counters.
    """

    hooks: Mapping[str, str] = field(default_factory=dict)
    chains: Mapping[str, Statements] = field(default_factory=dict)
    leaves: Mapping[str, Statements] = field(default_factory=dict)
    counters: frozenset[str] = frozenset()

    def loading(self, counted: Mapping[str, Count] | None = None) -> tuple[str, ...]:
        """The transactions that make this of whatever there is: one, but for large rulesets.

        From the first of several on until the last, everything is denied.

        Args:
            counted: where counters go on from; those that it does not name begin at zero.
        """
        nothing = Ruleset()
        first = _lines((f"flush ruleset\nadd table {_IN}", *self._begun(nothing, counted or {})))
        parts = [first, *self._leaves_made(nothing), self.switch(nothing)]
        return ("".join(parts),) if len(parts) <= _PARTS_OF_A_SMALL_ONE else tuple(parts)

    def preparation(self, before: Ruleset) -> tuple[str, ...]:
        """The transactions that make what this has and another has not, and change no packet's way."""
        first, parts = _lines(self._begun(before, {})), tuple(self._leaves_made(before))
        if not first:
            return parts
        return (first + parts[0], *parts[1:]) if parts else (first,)

    def switch(self, before: Ruleset) -> str:
        """The transaction, after `preparation`, that leads packets through this, and no longer through the other."""
        return _lines(self._switched(before))

    def removal(self, names: Collection[str], emptied: Collection[str] = ()) -> Removal:
        """What removes chains and counters of these names, and empties chains.

        Nothing may lead to either but from one to the other.
        """
        gone = tuple(name for name in names if name in self.chains or name in self.leaves)
        return Removal(tuple(emptied), gone, tuple(self.counters.intersection(names)))

    def prepared(self, present: Ruleset) -> Ruleset:
        """What is there after `preparation`: chains without sets have what they had, and new ones nothing."""
        return Ruleset(
            self.hooks,
            {**dict.fromkeys(self.chains, ()), **present.chains},
            {**present.leaves, **self.leaves},
            present.counters | self.counters,
        )

    def switched(self, present: Ruleset) -> Ruleset:
        """What is there after `switch`, where this is prepared: it in force, and what is left of others."""
        return replace(present, chains={**present.chains, **self.chains})

    def without(self, others: Collection[str], emptied: Collection[str] = ()) -> Ruleset:
        """What is there after `removal` of these."""
        if not others and not emptied:
            return self
        return Ruleset(
            self.hooks,
            {name: () if name in emptied else each for name, each in self.chains.items() if name not in others},
            {name: each for name, each in self.leaves.items() if name not in others},
            self.counters.difference(others),
        )

    @property
    def names(self) -> frozenset[str]:
        """Of everything that there is; no chain is called like a counter."""
        return frozenset(self.chains) | frozenset(self.leaves) | self.counters

    def __contains__(self, name: str) -> bool:
        return name in self.chains or name in self.leaves or name in self.counters

    def beyond(self, other: Ruleset) -> frozenset[str]:
        """The names of what this has and another has not."""
        return (self.counters - other.counters).union(
            self.chains.keys() - other.chains.keys(), self.leaves.keys() - other.leaves.keys()
        )

    @cached_property
    def fingerprint(self) -> str:
        """Tells whether two rulesets are the same but for their counters, in different processes too."""
        # The names of leaves tell what is in them.
        told = [*map(str, self.hooks.items()), *sorted(self.leaves)]
        told += (f"{name} {statements}" for name, statements in sorted(self.chains.items()))
        return hashlib.blake2b("\n".join(told).encode(), digest_size=12).hexdigest()

    def _begun(self, before: Ruleset, counted: Mapping[str, Count]) -> Iterator[str]:
        for counter in self.counters - before.counters:
            count = counted.get(counter)
            start = f" {{ packets {count.packets} bytes {count.bytes} }}" if count else ""
            yield f"add counter {_IN} {counter}{start}"
        # Before all leaves, which lead to them.
        for name in self.chains:
            if name not in before.chains:
                hook = self.hooks.get(name)
                yield f"add chain {_IN} {name}" + (f" {{ {hook} }}" if hook else "")

    def _leaves_made(self, before: Ruleset) -> Iterator[str]:
        """Each leaf is whole or not there, so a hub that is killed in between leaves nothing that is half made."""
        new = [name for name in self.leaves if name not in before.leaves]
        for at in range(0, len(new), _LEAVES_AT_ONCE):
            yield _lines(_filled(name, self.leaves[name]) for name in new[at : at + _LEAVES_AT_ONCE])

    def _switched(self, before: Ruleset) -> Iterator[str]:
        for name, statements in self.chains.items():
            present = before.chains.get(name, ())
            if statements != present:
                if present:
                    yield f"flush chain {_IN} {name}"
                if statements:
                    yield _filled(name, statements)


@dataclass(frozen=True)
class Removal:
    """What one ruleset has and another has no more.

    Attributes:
        emptied: chains that stay, and lose their rules first: they may lead to those that go.
        chains, counters: that go.
    """

    emptied: tuple[str, ...] = ()
    chains: tuple[str, ...] = ()
    counters: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.emptied or self.chains or self.counters)


def _filled(chain: str, statements: Statements) -> str:
    # As a block: for `add rule`, libnftables first reads every set and counter that there is.
    return "\n".join((f"add chain {_IN} {chain} {{", *statements, "}"))


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


@dataclass
class Draft:
    """Chains of a ruleset that is being written."""

    chains: Chains = field(default_factory=dict)
    leaves: Chains = field(default_factory=dict)

    def add(self, name: str, *statements: str) -> None:
        """A chain without sets."""
        self.chains[name] = statements

    def add_with_sets(self, name: str, *statements: str) -> None:
        """A chain that leads to a leaf with these statements."""
        digest = hashlib.blake2b("\n".join(statements).encode(), digest_size=_DIGEST)
        leaf = f"{name}_{digest.hexdigest()}"
        self.leaves[leaf] = statements
        self.add(name, f"{_TO_LEAF}{leaf}")

    def remove(self, name: str) -> None:
        """The chain of that name and its leaf, if there is one, are no more."""
        for statement in self.chains.pop(name, ()):
            self.leaves.pop(statement.removeprefix(_TO_LEAF), None)

    def include(self, other: Draft) -> None:
        """All that another has."""
        self.chains.update(other.chains)
        self.leaves.update(other.leaves)


def is_leaf(chain: str) -> bool:
    """Whether a chain of that name has sets."""
    return _LEAF.search(chain) is not None
