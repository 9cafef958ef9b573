"""Effect of the rules on one datagram in one state of the maps, step by step as the kernel does it."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import TypeAlias, TypeVar

from harness.proof.errors import Unmodelled
from harness.proof.front_door.choices import Choices
from harness.proof.front_door.datagrams import Element, World
from harness.proof.front_door.statements import (
    IPV4,
    IPV6,
    SLICES,
    UDP,
    Chain,
    Change,
    Compare,
    Constant,
    Door,
    Entry,
    Key,
    Masked,
    Member,
    Rule,
    Statement,
    Store,
    Value,
    width_of,
)
from harness.proof.ruleset import Decide, Field, NoTrack, Raw, Verdict

K = TypeVar("K")
_Place: TypeAlias = tuple[Chain, int, int]
"""Chain, number of its next rule, and number of chains that led here."""


class Break(Exception):
    """The rule ends here, and the next one follows."""


class Machine:
    """Runs the rules of a hook.

    Args:
        world: the datagram, and what the sets and maps contain.

    Attributes:
        accepted: the datagram passes, once there is no further step.
        written: fields that rules have written, by name.
        trace: rules of which the datagram met all conditions.
        rates: by the handle of a rule with a rate, whether the rule went on.
        room: by the name of a set to which something was added, whether there was room.
        is_consistent: each rate and each set was the same each time.
    """

    def __init__(self, door: Door, world: World, hook: str) -> None:
        self._door = door
        self._bases = door.bases(hook)
        self._way: list[_Place] = []
        self.hook = hook
        self.world = world
        self.accepted = True
        self.written: dict[str, int] = {}
        self.untracked = False
        self.trace: list[str] = []
        self.rates: dict[int, bool] = {}
        self.room: dict[str, bool] = {}
        self.is_consistent = True

    def part(self, choices: Choices) -> None:
        """Shares nothing that changes with what it was copied from, and makes its next choices there."""
        self.world = copy(self.world)
        self.world.part(choices)
        self._way, self.trace = self._way.copy(), self.trace.copy()
        self.written, self.rates, self.room = self.written.copy(), self.rates.copy(), self.room.copy()

    def step(self) -> bool:
        """Comes to the next rule or to the end of a chain, and tells whether there was one.

        Raises:
            Unmodelled: chains lead back to themselves.
        """
        while not self._way:
            if not self._bases or not self.accepted:
                return False
            base, *others = self._bases
            self._bases = tuple(others)
            self._enter(base.name, 1)
            self.accepted = base.hook is not None and base.hook.policy == "accept"
        chain, number, depth = self._way.pop()
        if number < len(chain.rules):
            self._way.append((chain, number + 1, depth))
            self._meet(chain, chain.rules[number])
        return True

    def read(self, value: Value) -> int:
        """Reads a value as it is now.

        Raises:
            Break: there is none.
        """
        if isinstance(value, Constant):
            return value.value
        if isinstance(value, Masked):
            return self.read(value.of) & value.mask
        if isinstance(value, Entry):
            element = self.world.element(value.name, self._key(value.key))
            if not element.there:
                raise Break
            return element.value
        if isinstance(value, Raw):
            self._need(value.offset + value.length)
            return self.world.bits(value.offset, value.length)
        return self._field(value)

    def _field(self, field: Field) -> int:
        name = field.name
        if name in SLICES:
            if self.world.field("meta l4proto") != UDP:
                raise Break
            first, length = SLICES[name]
            self._need(first + length)
            return self.written[name] if name in self.written else self.world.bits(first, length)
        family = {"ip ": IPV4, "ip6": IPV6}.get(name[:3])
        if family is not None and self.world.field("meta nfproto") != family:
            raise Break
        return self.written[name] if name in self.written else self.world.field(name)

    def _need(self, bits: int) -> None:
        if 8 * self.world.readable < bits:
            raise Break

    def _key(self, key: Key) -> int:
        found = 0
        for part in key.parts:
            found = found << width_of(part) | self.read(part)
        return found

    def _enter(self, name: str, depth: int) -> None:
        if depth > len(self._door.chains):
            raise Unmodelled("a chain that leads back to itself", f"table inet {self._door.name}, chain {name}")
        self._way.append((self._door.chains[name], 0, depth))

    def _meet(self, chain: Chain, rule: Rule) -> None:
        verdict = None
        try:
            for statement in rule.statements:
                verdict = self._do(statement, rule.handle)
        except Break:
            return
        self.trace.append(f"{chain.name} handle {rule.handle}")
        if verdict is not None:
            self._follow(verdict)

    def _follow(self, verdict: Verdict) -> None:
        if verdict.kind in ("accept", "drop"):
            self.accepted = verdict.kind == "accept"
            self._way.clear()
            return
        depth = self._way[-1][-1]
        if verdict.kind != "jump":
            self._way.pop()
        if verdict.chain:
            self._enter(verdict.chain, depth + 1)

    def _do(self, statement: Statement, handle: int) -> Verdict | None:
        if isinstance(statement, Decide):
            return statement.verdict
        if isinstance(statement, Compare):
            self._insist((self.read(statement.left) == statement.right) != statement.negated)
        elif isinstance(statement, Member):
            is_there = self.world.element(statement.name, self._key(statement.key)).there
            self._insist(is_there != statement.negated)
        elif isinstance(statement, Store):
            self.read(statement.field)
            self.written[statement.field.name] = self.read(statement.value)
        elif isinstance(statement, Change):
            self._change(statement, handle)
        elif isinstance(statement, NoTrack):
            self.untracked = True
        else:
            self._insist(self._known(self.rates, handle, usual=False))
        return None

    def _known(self, outcomes: dict[K, bool], key: K, *, usual: bool) -> bool:
        """Chooses what nobody knows."""
        found = self.world.chance(usual=usual)
        self.is_consistent &= outcomes.setdefault(key, found) == found
        return found

    def _insist(self, condition: bool) -> None:
        if not condition:
            raise Break

    def _change(self, statement: Change, handle: int) -> None:
        key = self._key(statement.key)
        value = 0 if statement.value is None else self.read(statement.value)
        element = self.world.element(statement.name, key)
        if statement.op == "delete":
            self.world.after[statement.name, key] = Element(there=False)
            return
        if not element.there:
            # A rate ends the rule as lack of room does.
            self._insist(statement.has_rate or self._known(self.room, statement.name, usual=True))
            self.world.after[statement.name, key] = Element(there=True, value=value, renewed=True)
        elif statement.op == "update":
            self.world.after[statement.name, key] = replace(element, renewed=True)
        if statement.has_rate:
            self._insist(self._known(self.rates, handle, usual=False))
