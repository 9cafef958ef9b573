"""Effect of the rules on one datagram in one state of the maps, step by step as the kernel does it."""

from __future__ import annotations

from typing import TypeVar

from harness.proof.errors import Unmodelled
from harness.proof.front_door.datagrams import Element, World
from harness.proof.front_door.statements import (
    IPV4,
    IPV6,
    SLICES,
    UDP,
    Change,
    Compare,
    Constant,
    Decide,
    Door,
    Entry,
    Key,
    Masked,
    Member,
    NoTrack,
    Statement,
    Store,
    Value,
    width_of,
)
from harness.proof.ruleset import Field, Raw, Verdict

K = TypeVar("K")


class Break(Exception):
    """The rule ends here, and the next one follows."""


class _Ended(Exception):
    """The packet's way through this hook ends here."""

    def __init__(self, *, accepted: bool) -> None:
        super().__init__()
        self.accepted = accepted


class Machine:
    """Runs the rules of a hook.

    Attributes:
        written: fields that rules have written, by name.
        trace: rules of which the datagram met all conditions.
        rates: by the handle of a rule with a rate, whether the rule went on.
        room: by the name of a set to which something was added, whether there was room.
        is_consistent: each rate and each set was the same each time.
    """

    def __init__(self, door: Door, world: World) -> None:
        self._door = door
        self._world = world
        self._depth = 0
        self.written: dict[str, int] = {}
        self.untracked = False
        self.trace: list[str] = []
        self.rates: dict[int, bool] = {}
        self.room: dict[str, bool] = {}
        self.is_consistent = True

    def passes(self, hook: str) -> bool:
        """Runs the base chains of a hook, and tells whether the datagram passes all of them.

        Raises:
            Unmodelled: chains lead back to themselves.
        """
        for base in self._door.bases(hook):
            try:
                self._run(base.name)
            except _Ended as end:
                accepted = end.accepted
            else:
                accepted = base.hook is not None and base.hook.policy == "accept"
            if not accepted:
                return False
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
            element = self._world.element(value.name, self._key(value.key))
            if not element.there:
                raise Break
            return element.value
        if isinstance(value, Raw):
            self._need(value.offset + value.length)
            return self._world.bits(value.offset, value.length)
        return self._field(value)

    def _field(self, field: Field) -> int:
        name = field.name
        if name in SLICES:
            if self._world.field("meta l4proto") != UDP:
                raise Break
            first, length = SLICES[name]
            self._need(first + length)
            return self.written[name] if name in self.written else self._world.bits(first, length)
        family = {"ip ": IPV4, "ip6": IPV6}.get(name[:3])
        if family is not None and self._world.field("meta nfproto") != family:
            raise Break
        return self.written[name] if name in self.written else self._world.field(name)

    def _need(self, bits: int) -> None:
        if 8 * self._world.readable < bits:
            raise Break

    def _key(self, key: Key) -> int:
        found = 0
        for part in key.parts:
            found = found << width_of(part) | self.read(part)
        return found

    def _run(self, name: str) -> None:
        """Runs a chain; it returns where the packet falls off its end."""
        self._depth += 1
        if self._depth > len(self._door.chains):
            raise Unmodelled("a chain that leads back to itself", f"table inet {self._door.name}, chain {name}")
        for rule in self._door.chains[name].rules:
            verdict = None
            try:
                for statement in rule.statements:
                    verdict = self._do(statement, rule.handle)
            except Break:
                continue
            self.trace.append(f"{name} handle {rule.handle}")
            if verdict is not None and self._follow(verdict):
                break
        self._depth -= 1

    def _follow(self, verdict: Verdict) -> bool:
        """Follows a verdict, and tells whether the chain ends with it."""
        if verdict.kind in ("accept", "drop"):
            raise _Ended(accepted=verdict.kind == "accept")
        if verdict.chain:
            self._run(verdict.chain)
        return verdict.kind != "jump"

    def _do(self, statement: Statement, handle: int) -> Verdict | None:
        if isinstance(statement, Decide):
            return statement.verdict
        if isinstance(statement, Compare):
            self._insist((self.read(statement.left) == statement.right) != statement.negated)
        elif isinstance(statement, Member):
            is_there = self._world.element(statement.name, self._key(statement.key)).there
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
        found = self._world.chance(usual=usual)
        self.is_consistent &= outcomes.setdefault(key, found) == found
        return found

    def _insist(self, condition: bool) -> None:
        if not condition:
            raise Break

    def _change(self, statement: Change, handle: int) -> None:
        key = self._key(statement.key)
        value = 0 if statement.value is None else self.read(statement.value)
        element = self._world.element(statement.name, key)
        if statement.op == "delete":
            self._world.after[statement.name, key] = Element(there=False)
            return
        if not element.there:
            # A rate ends the rule as lack of room does.
            self._insist(statement.has_rate or self._known(self.room, statement.name, usual=True))
            self._world.after[statement.name, key] = Element(there=True, value=value, renewed=True)
        elif statement.op == "update":
            element.renewed = True
        if statement.has_rate:
            self._insist(self._known(self.rates, handle, usual=False))
