"""Rulesets of nftables as plain values; what they mean is none of this module's business.

Names follow nft(8). Every value is an integer: an address in its numeric order, a link's index, the bits of a
connection's state. So two engines can share a parsed ruleset and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, cached_property

from harness.proof.intervals import Interval


@dataclass(frozen=True)
class Field:
    """A property of a packet or of its connection, such as ``ip saddr`` or ``ct original daddr``."""

    name: str


@dataclass(frozen=True)
class Raw:
    """Bits of a packet, counted from the beginning of a header (``@th,192,32``)."""

    base: str
    offset: int
    length: int


@dataclass(frozen=True)
class Literal:
    """A constant."""

    value: int


@dataclass(frozen=True)
class And:
    """The bits of an expression that a mask keeps."""

    of: Expression
    mask: int


@dataclass(frozen=True)
class Or:
    """An expression with further bits set."""

    of: Expression
    bits: int


@dataclass(frozen=True)
class Concat:
    """Several expressions side by side."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class Hash:
    """``jhash EXPRESSION mod MODULUS seed SEED offset OFFSET``."""

    of: Expression
    modulus: int
    seed: int
    offset: int


@dataclass(frozen=True)
class MapLookup:
    """The value that a map has for a key; a rule ends where it has none."""

    key: Expression
    elements: Elements


Expression = Field | Raw | Literal | And | Or | Concat | Hash | MapLookup


@dataclass(frozen=True)
class Verdict:
    """Verdict of a rule or a map.

    Attributes:
        kind: accept, drop, jump, goto, return or continue.
        chain: where jump and goto lead.
    """

    kind: str
    chain: str = ""


@dataclass(frozen=True)
class Element:
    """An element of a set or a map.

    Attributes:
        key: an interval for each part of the key; None is the element that stands for all other keys (``*``).
        value: of a map; None in a set.
    """

    key: tuple[Interval, ...] | None
    value: int | Verdict | None = None


Elements = tuple[Element, ...]


@dataclass(frozen=True)
class Match:
    """Ends the rule unless an expression is one of some values.

    Attributes:
        negated: true for ``!=``: the rule ends if the value is in the set.
        any_bit: the values are bits, of which one at least has to be set.
    """

    left: Expression
    right: Elements
    negated: bool = False
    any_bit: bool = False


@dataclass(frozen=True)
class Assign:
    """Writes to a field of the packet's metadata, ``meta mark`` or ``meta priority``."""

    field: Field
    value: Expression


@dataclass(frozen=True)
class Dispatch:
    """A verdict map."""

    key: Expression
    elements: Elements


@dataclass(frozen=True)
class Limited:
    """Goes on for packets beyond a rate (`over`) or within one, ends the rule for the others."""

    over: bool


@dataclass(frozen=True)
class NoTrack:
    """Keeps the packet from connection tracking, and so from having its addresses rewritten (NAT)."""


@dataclass(frozen=True)
class Decide:
    """A verdict for every packet."""

    verdict: Verdict


Statement = Match | Assign | Dispatch | Limited | NoTrack | Decide


@dataclass(frozen=True)
class Rule:
    """A rule; its handle is nft's name for it."""

    handle: int
    statements: tuple[Statement, ...]

    @cached_property
    def leaves(self) -> frozenset[Field | Raw]:
        """Expressions by which it reads packets."""
        parts = (part for statement in self.statements for part in parts_of(statement))
        return frozenset(part for part in parts if isinstance(part, (Field, Raw)))


@dataclass(frozen=True)
class Hook:
    """Hook that calls a base chain (nft(8), "CHAINS")."""

    name: str
    priority: int
    policy: str


@dataclass(frozen=True)
class Chain:
    """A chain; only base chains have a hook."""

    name: str
    hook: Hook | None
    rules: tuple[Rule, ...]

    @cached_property
    def led_to(self) -> tuple[str, ...]:
        """Names of the chains that its rules lead to."""
        verdicts = (
            verdict
            for rule in self.rules
            for statement in rule.statements
            for verdict in (
                [statement.verdict]
                if isinstance(statement, Decide)
                else [element.value for element in statement.elements]
                if isinstance(statement, Dispatch)
                else []
            )
        )
        return tuple(dict.fromkeys(each.chain for each in verdicts if isinstance(each, Verdict) and each.chain))


@dataclass(frozen=True)
class Table:
    """A table of family ``ip`` or ``inet``."""

    family: str
    name: str
    chains: dict[str, Chain]

    def __str__(self) -> str:
        return f"{self.family} {self.name}"

    def reached_from(self, name: str) -> tuple[Chain, ...]:
        """A chain and all that it leads to, each once."""
        names = [name]
        for each in names:
            names += (led_to for led_to in self.chains[each].led_to if led_to not in names)
        return tuple(self.chains[each] for each in names)


@dataclass(frozen=True)
class Ruleset:
    """Everything that nftables does to IPv4 packets in one network namespace."""

    tables: tuple[Table, ...] = ()

    def bases(self, hook: str) -> tuple[tuple[Table, Chain], ...]:
        """Base chains of one hook in the order in which the kernel calls them."""
        found = [
            (chain.hook.priority, at, table, chain)
            for at, table in enumerate(self.tables)
            for chain in table.chains.values()
            if chain.hook is not None and chain.hook.name == hook
        ]
        return tuple((table, chain) for _, _, table, chain in sorted(found, key=lambda each: each[:2]))

    def rules(self) -> Iterator[Rule]:
        """Every rule of every chain."""
        for table in self.tables:
            for chain in table.chains.values():
                yield from chain.rules

    def statements(self) -> Iterator[Statement]:
        """Every statement of every rule."""
        for rule in self.rules():
            yield from rule.statements

    @property
    def tracks(self) -> bool:
        """True if an expression reads the connection, which is what switches connection tracking on."""
        leaves = (leaf for rule in self.rules() for leaf in rule.leaves)
        return any(isinstance(leaf, Field) and leaf.name.startswith("ct ") for leaf in leaves)


def parts_of(value: object) -> Iterator[object]:
    """A statement or expression and all expressions inside it."""
    yield value
    # mypy takes a class for something without a hash.
    for name in _names_of(type(value)):  # type: ignore[arg-type]
        inner = getattr(value, name)
        for one in inner if isinstance(inner, tuple) else (inner,):
            if _is_part(type(one)):  # type: ignore[arg-type]
                yield from parts_of(one)


@cache
def _names_of(kind: type) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind)) if _is_part(kind) else ()


@cache
def _is_part(kind: type) -> bool:
    return is_dataclass(kind) and not issubclass(kind, Element)
