"""Effect of the rules on one datagram, as terms of z3: every path at once.

The datagram, what every set and map contains, rates, and whether a set is full are unknown. So what is shown holds for
all of them, whichever organizations there are. Rules only lead forward: a value that a rule writes is a choice between
the new value and the one before, by the condition under which the rule is met.

Sources: nft(8); net/netfilter/nft_dynset.c: adding what is there changes nothing, updating it renews its lease and
leaves its value, and where there is no room the rule ends; net/netfilter/nft_payload.c: an expression that reads behind
the end of a packet, or from a later fragment, ends the rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias

import z3

from harness.proof.bitvectors.logic import FALSE, TRUE, Condition, Number, both, chosen, either, number, opposite
from harness.proof.errors import Unmodelled
from harness.proof.front_door.statements import (
    HEADER_BYTES,
    IPV4,
    IPV6,
    SLICES,
    UDP,
    WIDTHS,
    Change,
    Compare,
    Constant,
    Door,
    Entry,
    Key,
    Masked,
    Member,
    Rate,
    Statement,
    Store,
    Value,
)
from harness.proof.ruleset import Decide, Field, NoTrack, Raw, Verdict

_ARRAY: TypeAlias = Any
_BITS = 8 * HEADER_BYTES


@dataclass(frozen=True)
class Contents:
    """Content of a set or map.

    Attributes:
        there: of each key, whether it is an element.
        value: of each key, its value; None for a set.
        renewed: of each key, whether its lease began with this datagram.
    """

    there: _ARRAY
    value: _ARRAY
    renewed: _ARRAY


class Datagram:
    """An unknown datagram.

    Attributes:
        header: UDP header and payload.
        readable: number of bytes of them that expressions can read; 0 in a later fragment.
        fields: what is not in them, by name.
    """

    def __init__(self) -> None:
        self.header = z3.BitVec("header", _BITS)
        self.readable = z3.BitVec("readable", 8)
        self.fields: Mapping[str, Number] = {name: z3.BitVec(name, width) for name, width in WIDTHS.items()}

    def word(self, at: int) -> Number:
        """The 32 bits that begin at a bit of the UDP header."""
        return slice_of(self.header, at, 32)

    def port(self, name: str) -> Number:
        """A port as it came."""
        return slice_of(self.header, *SLICES[name])

    def has(self, size: int) -> Condition:
        """True if so many bytes can be read."""
        return z3.UGE(self.readable, number(size, 8))


@dataclass(frozen=True)
class Step:
    """A rule, and the condition under which a datagram meets all of its conditions."""

    where: str
    here: Condition


class Walk:
    """Follows a datagram through the base chains of a hook.

    Attributes:
        hook: the hook.
        header, fields: of the datagram in the end.
        accepted: the condition under which it passes.
        untracked: the condition under which connection tracking leaves it alone.
        before, after: what the sets and maps contain, by name.

    Raises:
        Unmodelled: chains lead back to themselves.
    """

    def __init__(self, door: Door, datagram: Datagram, hook: str) -> None:
        self._door = door
        self._free = count()
        self._inside: list[str] = []
        self.hook = hook
        self._ended: list[Condition] = []
        self.datagram = datagram
        self.steps: list[Step] = []
        self.header = datagram.header
        self.fields = dict(datagram.fields)
        self.untracked = FALSE
        self.before = {each.name: _unknown(each.name, each.key, each.value) for each in door.memories.values()}
        self.after = dict(self.before)
        here = TRUE
        for base in door.bases(hook):
            self._ended = []
            left = self._chain(base.name, here)
            is_open = base.hook is not None and base.hook.policy == "accept"
            here = either((*self._ended, left if is_open else FALSE))
        self.accepted = here

    def _chain(self, name: str, here: Condition) -> Condition:
        """The condition under which a datagram falls off the end of a chain."""
        if name in self._inside:
            raise Unmodelled("a chain that leads back to itself", f"table inet {self._door.name}, chain {name}")
        self._inside.append(name)
        returned = []
        for rule in self._door.chains[name].rules:
            going = here
            for statement in rule.statements:
                if isinstance(statement, Decide):
                    here, on = self._decided(statement.verdict, here, going)
                    returned.append(on)
                else:
                    going = both(going, self._passes(statement, going))
            self.steps.append(Step(f"{name} handle {rule.handle}", going))
        self._inside.pop()
        return either((here, *returned))

    def _decided(self, verdict: Verdict, here: Condition, going: Condition) -> tuple[Condition, Condition]:
        """Conditions of what goes on with the next rule, and of what returns from the chain."""
        rest = both(here, opposite(going))
        if verdict.kind == "accept":
            self._ended.append(going)
        elif verdict.kind == "return":
            return rest, going
        elif verdict.kind == "goto":
            return rest, self._chain(verdict.chain, going)
        elif verdict.kind == "jump":
            return either((rest, self._chain(verdict.chain, going))), FALSE
        return rest, FALSE

    def _passes(self, statement: Statement, going: Condition) -> Condition:
        """Does what a statement does if `going`; the condition under which the rule goes on after it."""
        if isinstance(statement, Compare):
            value, is_there = self._read(statement.left)
            equal = value == number(statement.right, value.size())
            return both(is_there, opposite(equal) if statement.negated else equal)
        if isinstance(statement, Member):
            key, is_there = self._key(statement.key)
            found = self.after[statement.name].there[key]
            return both(is_there, opposite(found) if statement.negated else found)
        if isinstance(statement, Store):
            return self._stored(statement, going)
        if isinstance(statement, Change):
            return self._changed(statement, going)
        if isinstance(statement, NoTrack):
            self.untracked = either((self.untracked, going))
            return TRUE
        return self._unknown("rate") if isinstance(statement, Rate) else FALSE

    def _unknown(self, what: str) -> Condition:
        return z3.Bool(f"{what} {next(self._free)}")

    def _read(self, value: Value) -> tuple[Number, Condition]:
        """A value, and the condition under which there is one."""
        if isinstance(value, Masked):
            inner, is_there = self._read(value.of)
            return inner & number(value.mask, inner.size()), is_there
        if isinstance(value, Raw):
            return slice_of(self.header, value.offset, value.length), self._reaches(value.offset + value.length)
        if isinstance(value, Field) and value.name in SLICES:
            first, length = SLICES[value.name]
            is_udp = self.fields["meta l4proto"] == number(UDP, 8)
            return slice_of(self.header, first, length), both(is_udp, self._reaches(first + length))
        if isinstance(value, Field):
            return self.fields[value.name], self._has_family(value.name)
        if isinstance(value, Entry):
            key, is_there = self._key(value.key)
            contents = self.after[value.name]
            return contents.value[key], both(is_there, contents.there[key])
        raise Unmodelled(f"the value {value}", f"table inet {self._door.name}")

    def _has_family(self, name: str) -> Condition:
        family = {"ip ": IPV4, "ip6": IPV6}.get(name[:3])
        return TRUE if family is None else self.fields["meta nfproto"] == number(family, 8)

    def _reaches(self, bits: int) -> Condition:
        return self.datagram.has((bits + 7) // 8)

    def _key(self, key: Key) -> tuple[Number, Condition]:
        values, there = zip(*map(self._read, key.parts), strict=True)
        return z3.Concat(*values) if len(values) > 1 else values[0], both(*there)

    def _stored(self, statement: Store, going: Condition) -> Condition:
        name = statement.field.name
        old, can_write = self._read(statement.field)
        if isinstance(statement.value, Constant):
            new, is_there = number(statement.value.value, old.size()), TRUE
        else:
            new, is_there = self._read(statement.value)
        passes = both(can_write, is_there)
        written = both(going, passes)
        if name in SLICES:
            self.header = chosen(written, _with(self.header, SLICES[name][0], new), self.header)
        else:
            self.fields[name] = chosen(written, new, self.fields[name])
        return passes

    def _changed(self, statement: Change, going: Condition) -> Condition:
        key, is_there = self._key(statement.key)
        value = None
        if statement.value is not None:
            value, has_value = self._read(statement.value)
            is_there = both(is_there, has_value)
        met, contents = both(going, is_there), self.after[statement.name]
        if statement.op == "delete":
            self.after[statement.name] = _written(contents, key, both(met, contents.there[key]), there=FALSE)
            return is_there
        found, has_room = contents.there[key], self._unknown("room")
        is_new = both(met, opposite(found), has_room)
        is_renewed = is_new if statement.op == "add" else both(met, either((found, has_room)))
        changed = _written(contents, key, is_renewed, there=TRUE, renewed=TRUE)
        if value is not None:
            changed = Contents(
                changed.there, _chosen(is_new, z3.Store(contents.value, key, value), contents.value), changed.renewed
            )
        self.after[statement.name] = changed
        within = self._unknown("rate") if statement.has_rate else TRUE
        return both(is_there, either((found, has_room)), within)


def _written(
    contents: Contents, key: Number, condition: Condition, *, there: Condition, renewed: Condition = FALSE
) -> Contents:
    return Contents(
        _chosen(condition, z3.Store(contents.there, key, there), contents.there),
        contents.value,
        _chosen(condition, z3.Store(contents.renewed, key, renewed), contents.renewed),
    )


def _chosen(condition: Condition, then: _ARRAY, otherwise: _ARRAY) -> _ARRAY:
    return otherwise if z3.is_false(condition) else z3.If(condition, then, otherwise)


def _unknown(name: str, key: int, value: int) -> Contents:
    keys, truth = z3.BitVecSort(key), z3.BoolSort()
    values = z3.Array(f"value {name}", keys, z3.BitVecSort(value)) if value else None
    return Contents(z3.Array(f"there {name}", keys, truth), values, z3.K(keys, FALSE))


def slice_of(header: Number, first: int, length: int) -> Number:
    """Bits of a header, counted from its beginning."""
    return z3.Extract(_BITS - 1 - first, _BITS - first - length, header)


def _with(header: Number, first: int, value: Number) -> Number:
    before = [slice_of(header, 0, first)] if first else []
    return z3.Concat(*before, value, slice_of(header, first + value.size(), _BITS - first - value.size()))
