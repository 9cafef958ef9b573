"""Rulesets as chains and counters, and the transactions that load them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from appliance.hub.ruleset.name_set import NameSet

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
"""Statements of an existing chain that was not read; no chain is created with them."""


@dataclass(frozen=True)
class Count:
    """Value of a counter; bytes are those of IP packets."""

    packets: int
    bytes: int


@dataclass(frozen=True)
class Ruleset:
    """Content of the hub's table.

    A change has to take effect for each packet as a whole. The kernel switches all chains to a transaction's new rules
    at one moment; but a packet on its way through the old ones then finds their maps empty, and one on its way through
    the new ones finds intervals missing. So chains with sets are created before anything leads to them, and removed
    after nothing does any more: the activation itself changes only chains without sets.

    Attributes:
        hooks: hook of each base chain, nft's ``type … hook … priority …; policy …;``.
        chains: statements of each chain, base chains included. They have no sets, except in chains that never change.
        leaves: statements of chains with sets. Their names contain a digest of them, so they never change.
        counters: names of the counters.
    """

    hooks: Mapping[str, str] = field(default_factory=dict)
    chains: Mapping[str, Statements] = field(default_factory=dict)
    leaves: Mapping[str, Statements] = field(default_factory=dict)
    counters: NameSet = NameSet()

    def loading(self, counted: Mapping[str, Count] | None = None) -> tuple[str, ...]:
        """Transactions that replace any rules with this ruleset: one, but for large rulesets.

        From the first of several until the last, everything is denied.

        Args:
            counted: start values of counters; others begin at zero.
        """
        nothing = Ruleset()
        first = _lines((f"flush ruleset\nadd table {_IN}", *self._begun(nothing, counted or {})))
        parts = [first, *self._leaves_made(nothing), self.activation(nothing)]
        return ("".join(parts),) if len(parts) <= _PARTS_OF_A_SMALL_ONE else tuple(parts)

    def preparation(self, before: Ruleset) -> tuple[str, ...]:
        """Transactions that add what another ruleset lacks, without an effect on packets."""
        first, parts = _lines(self._begun(before, {})), tuple(self._leaves_made(before))
        if not first:
            return parts
        return (first + parts[0], *parts[1:]) if parts else (first,)

    def activation(self, before: Ruleset) -> str:
        """Transaction, after `preparation`, that puts this ruleset in force instead of the other."""
        return _lines(self._changed_chains(before))

    def removal(self, names: Collection[str], emptied: Collection[str] = ()) -> Removal:
        """Removal of the chains and counters of these names, which first empties other chains.

        Only the named chains and the emptied ones may refer to them.
        """
        gone = tuple(name for name in names if name in self.chains or name in self.leaves)
        return Removal(tuple(emptied), gone, tuple(name for name in names if name in self.counters))

    def prepared(self, present: Ruleset) -> Ruleset:
        """Content of the table after `preparation`: chains without sets are unchanged, and new ones empty."""
        return Ruleset(
            self.hooks,
            {**dict.fromkeys(self.chains, ()), **present.chains},
            {**present.leaves, **self.leaves},
            present.counters | self.counters,
        )

    def activated(self, present: Ruleset) -> Ruleset:
        """Content of the table after `activation`: this ruleset, and the remains of others."""
        return replace(present, chains={**present.chains, **self.chains})

    def without(self, others: Collection[str], emptied: Collection[str] = ()) -> Ruleset:
        """Content of the table after `removal` of these names."""
        if not others and not emptied:
            return self
        return Ruleset(
            self.hooks,
            {name: () if name in emptied else each for name, each in self.chains.items() if name not in others},
            {name: each for name, each in self.leaves.items() if name not in others},
            self.counters.without_names(others),
        )

    @property
    def names(self) -> frozenset[str]:
        """Names of all chains and counters (they never collide)."""
        return frozenset().union(self.chains, self.leaves, self.counters)

    def __contains__(self, name: str) -> bool:
        return name in self.chains or name in self.leaves or name in self.counters

    def beyond(self, other: Ruleset) -> frozenset[str]:
        """Names of chains and counters that another ruleset lacks."""
        return (self.counters - other.counters).union(
            self.chains.keys() - other.chains.keys(), self.leaves.keys() - other.leaves.keys()
        )

    @cached_property
    def fingerprint(self) -> str:
        """Digest that is equal for rulesets that differ in counters alone, in different processes too."""
        # The name of a leaf contains a digest of its statements.
        parts = [*map(str, self.hooks.items()), *sorted(self.leaves)]
        parts += (f"{name} {statements}" for name, statements in sorted(self.chains.items()))
        return hashlib.blake2b("\n".join(parts).encode(), digest_size=12).hexdigest()

    def _begun(self, before: Ruleset, counted: Mapping[str, Count]) -> Iterator[str]:
        for counter in self.counters - before.counters:
            count = counted.get(counter)
            start = f" {{ packets {count.packets} bytes {count.bytes} }}" if count else ""
            yield f"add counter {_IN} {counter}{start}"
        # Chains come before the leaves, which refer to them.
        for name in self.chains:
            if name not in before.chains:
                hook = self.hooks.get(name)
                yield f"add chain {_IN} {name}" + (f" {{ {hook} }}" if hook else "")

    def _leaves_made(self, before: Ruleset) -> Iterator[str]:
        """Yield transactions that create leaves, each leaf in a single one, so that a kill leaves none incomplete."""
        new = [name for name in self.leaves if name not in before.leaves]
        for at in range(0, len(new), _LEAVES_AT_ONCE):
            yield _lines(_filled(name, self.leaves[name]) for name in new[at : at + _LEAVES_AT_ONCE])

    def _changed_chains(self, before: Ruleset) -> Iterator[str]:
        for name, statements in self.chains.items():
            present = before.chains.get(name, ())
            if statements != present:
                if present:
                    yield f"flush chain {_IN} {name}"
                if statements:
                    yield _filled(name, statements)


@dataclass(frozen=True)
class Removal:
    """Chains and counters to remove.

    Attributes:
        emptied: chains that stay but lose their rules first, because these may refer to the removed chains.
        chains, counters: names of the removed ones.
    """

    emptied: tuple[str, ...] = ()
    chains: tuple[str, ...] = ()
    counters: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.emptied or self.chains or self.counters)


def _filled(chain: str, statements: Statements) -> str:
    # A block, because for `add rule` libnftables first reads every set and counter.
    return "\n".join((f"add chain {_IN} {chain} {{", *statements, "}"))


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


@dataclass
class ChainDraft:
    """Chains of a ruleset that is being written."""

    chains: Chains = field(default_factory=dict)
    leaves: Chains = field(default_factory=dict)

    def add(self, name: str, *statements: str) -> None:
        """Add a chain without sets."""
        self.chains[name] = statements

    def add_with_sets(self, name: str, *statements: str) -> None:
        """Add a chain that leads to a leaf with these statements."""
        digest = hashlib.blake2b("\n".join(statements).encode(), digest_size=_DIGEST)
        leaf = f"{name}_{digest.hexdigest()}"
        self.leaves[leaf] = statements
        self.add(name, f"{_TO_LEAF}{leaf}")

    def remove(self, name: str) -> None:
        """Remove the chain of that name, and its leaf if there is one."""
        for statement in self.chains.pop(name, ()):
            self.leaves.pop(statement.removeprefix(_TO_LEAF), None)

    def include(self, other: ChainDraft) -> None:
        """Add all chains of another draft."""
        self.chains.update(other.chains)
        self.leaves.update(other.leaves)


def is_leaf(chain: str) -> bool:
    """Tell by its name whether a chain is a leaf, which may have sets."""
    return _LEAF.search(chain) is not None
