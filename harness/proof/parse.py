"""Parser from ``nft -j list ruleset`` to `Ruleset`: what is not understood is refused, never skipped.

Source: libnftables-json(5). nft leaves out the condition on the protocol that an expression of a header implies: `icmp
type` is for ICMP packets only. The meaning of the field has that condition (`fields`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from harness.proof.elements import ElementParser
from harness.proof.errors import Unmodelled
from harness.proof.listing import KernelSets
from harness.proof.literals import STATES, STATUS, Literals
from harness.proof.ruleset import (
    And,
    Assign,
    Chain,
    Concat,
    Decide,
    Dispatch,
    Element,
    Elements,
    Expression,
    Field,
    Hash,
    Hook,
    Limited,
    Literal,
    MapLookup,
    Match,
    NoTrack,
    Or,
    Raw,
    Rule,
    Ruleset,
    Statement,
    Table,
    Verdict,
)

_FAMILIES = ("ip", "inet")
_OTHER_PROTOCOLS = ("ip6", "arp")
_HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
_NO_EFFECT = ("counter", "log", "comment")
BOUND = "full"
"""Name of the counter of new connections that are refused to machines which have as many as they may.

Who is at this bound changes by the second, so that a packet can meet such a rule or not, as beyond and within a rate.
"""
_OBJECTS = ("metainfo", "table", "chain", "rule", "counter", "set", "map", "limit", "quota")
_BITS = {"ct state": STATES, "ct status": STATUS}
_ASSIGNABLE = ("meta mark", "meta priority")


def parse(listing: Mapping[str, Any], links: Mapping[str, int], sets: KernelSets | None = None) -> Ruleset:
    """Parses a listing.

    Args:
        listing: output of ``nft -j list ruleset``.
        links: index of each link by name.
        sets: the kernel's own listing of elements, for keys that nft prints without all of their parts.

    Raises:
        Unmodelled: something in it has no meaning here.
    """
    entries = [next(iter(entry.items())) for entry in listing["nftables"]]
    tables = []
    for kind, entry in entries:
        if kind not in _OBJECTS:
            raise Unmodelled(f"the object {kind}", f"table {entry.get('table', '?')}")
        if kind == "table" and entry["family"] in _FAMILIES:
            tables.append(_TableParser(entry, entries, Literals(links), sets or KernelSets()).table())
        elif kind == "table" and entry["family"] not in _OTHER_PROTOCOLS:
            raise Unmodelled(f"the family {entry['family']}", f"table {entry['name']}")
    ruleset = Ruleset(tuple(tables))
    _check_order(ruleset)
    return ruleset


def _check_order(ruleset: Ruleset) -> None:
    """Refuses base chains that write something, and of which a listing does not tell the kernel's order.

    Of several with one priority, it calls the newest first (net/netfilter/core.c, `nf_hook_entries_grow`).
    """
    for hook in _HOOKS:
        for (one_table, one), (table, other) in pairwise(ruleset.bases(hook)):
            if _priority(one) == _priority(other) and (_writes(one_table, one) or _writes(table, other)):
                what = f"the priority {_priority(other)}, which the chain {one.name} has too,"
                raise Unmodelled(what, f"table {table}, chain {other.name}")


def _priority(base: Chain) -> int:
    return 0 if base.hook is None else base.hook.priority


def _writes(table: Table, base: Chain) -> bool:
    rules = (rule for chain in table.reached_from(base.name) for rule in chain.rules)
    return any(isinstance(each, (Assign, NoTrack)) for rule in rules for each in rule.statements)


class _TableParser:
    def __init__(
        self, table: Mapping[str, Any], entries: Sequence[tuple[str, Any]], literals: Literals, sets: KernelSets
    ) -> None:
        self._family, self._name = table["family"], table["name"]
        self._literals = literals
        self._kernel = sets
        if table.get("flags"):
            raise Unmodelled(f"the table's flag {table['flags']}", f"table {self._family} {self._name}")
        own = [(kind, each) for kind, each in entries if each.get("table") == self._name and self._is_own(each)]
        self._chains = [each for kind, each in own if kind == "chain"]
        self._rules: dict[str, list[Any]] = {each["name"]: [] for each in self._chains}
        for kind, each in own:
            if kind == "rule":
                self._rules[each["chain"]].append(each)
        self._sets = {each["name"]: each for kind, each in own if kind in ("set", "map")}

    def _is_own(self, entry: Mapping[str, Any]) -> bool:
        return bool(entry.get("family") == self._family)

    def table(self) -> Table:
        return Table(self._family, self._name, {each["name"]: self._chain(each) for each in self._chains})

    def _chain(self, chain: Mapping[str, Any]) -> Chain:
        where, hook = f"table {self._family} {self._name}, chain {chain['name']}", None
        if "hook" in chain:
            if chain["type"] != "filter":
                raise Unmodelled(f"a chain of type {chain['type']}", where)
            if chain["hook"] not in _HOOKS:
                raise Unmodelled(f"the hook {chain['hook']}", where)
            hook = Hook(chain["hook"], chain["prio"], chain["policy"])
        rules = tuple(
            _RuleParser(self, rule, f"{where}, handle {rule['handle']}").rule() for rule in self._rules[chain["name"]]
        )
        return Chain(chain["name"], hook, rules)

    @property
    def literals(self) -> Literals:
        return self._literals

    def chain_of(self, name: str, where: str) -> str:
        if name not in self._rules:
            raise Unmodelled(f"a chain {name} that does not exist", where)
        return name

    def named(self, reference: str, where: str) -> list[Any]:
        """Elements of a named set or map, in JSON."""
        found = self._sets.get(reference.removeprefix("@"))
        if found is None:
            raise Unmodelled(f"the set {reference}", where)
        if {"timeout", "dynamic"} & set(found.get("flags", ())) or "timeout" in found or "stmt" in found:
            raise Unmodelled(f"the set {reference}, whose elements come and go", where)
        return list(found.get("elem", ()))

    def in_kernel(self, rule: int, chain: str, number: int) -> list[tuple[str, str]] | None:
        return self._kernel.elements(f"{self._family} {self._name}", chain, rule, number)


class _RuleParser:
    def __init__(self, table: _TableParser, rule: Mapping[str, Any], where: str) -> None:
        self._table = table
        self._rule = rule
        self._where = where
        self._sets = ElementParser(table.literals, self._refuse)
        # Sets that were met, since the kernel's listing counts them.
        self._met = 0

    def rule(self) -> Rule:
        statements: list[Statement] = []
        for each in self._rule["expr"]:
            statements += self._statement(each)
        return Rule(self._rule["handle"], tuple(statements))

    def _refuse(self, what: str) -> Unmodelled:
        return Unmodelled(what, self._where)

    def _statement(self, written: Any) -> list[Statement]:
        if written is None or not isinstance(written, dict) or len(written) != 1:
            raise self._refuse(f"the statement {written}")
        ((kind, body),) = written.items()
        if kind == "match":
            return [self._match(body)]
        if kind == "mangle":
            return [self._assign(body)]
        if kind == "vmap":
            return [self._dispatch(body)]
        if kind == "counter" and isinstance(body, dict) and "map" in body:
            # A rule ends where a map of counters lacks the key (nft_objref_map_eval).
            key, elements = self._key_and_elements(body["map"])
            return [Match(key, elements)]
        if kind == "counter" and body == BOUND:
            return [Limited(over=True)]
        if kind in _NO_EFFECT:
            return []
        if kind == "limit" and isinstance(body, dict):
            return [Limited(bool(body.get("inv")))]
        if kind == "meter":
            return self._rates([body["stmt"]])
        if kind == "set" and body.get("op") in ("add", "update") and "stmt" in body:
            # Newer versions of nft print a meter so. Rules that look such a set up are refused.
            return self._rates(body["stmt"] if isinstance(body["stmt"], list) else [body["stmt"]])
        if kind == "notrack":
            return [NoTrack()]
        return [Decide(self._verdict(written))]

    def _rates(self, written: list[Any]) -> list[Statement]:
        """Rates of each element of a set; an element for which there is no room is within its rate."""
        for each in written:
            if set(each) != {"limit"}:
                raise self._refuse(f"a meter of {', '.join(each)}")
        return [statement for each in written for statement in self._statement(each)]

    def _verdict(self, written: Any) -> Verdict:
        if isinstance(written, dict) and len(written) == 1:
            ((kind, body),) = written.items()
            if kind in ("accept", "drop", "return", "continue"):
                return Verdict(kind)
            if kind in ("jump", "goto"):
                return Verdict(kind, self._table.chain_of(body["target"], self._where))
            raise self._refuse(f"the statement {kind}")
        raise self._refuse(f"the verdict {written}")

    def _match(self, body: Mapping[str, Any]) -> Match:
        left, op = self._expression(body["left"]), body["op"]
        if op not in ("==", "!=", "in"):
            return self._ordered(left, op, body["right"])
        right = body["right"]
        if isinstance(left, Field) and left.name in _BITS and op == "in":
            bits = 0
            for word in right if isinstance(right, list) else [right]:
                value = self._table.literals.number(left.name, word)
                if value is None:
                    raise self._refuse(f"the value {word} of {left.name}")
                bits |= value
            return Match(left, (Element(((bits, bits),)),), any_bit=True)
        if op == "in":
            raise self._refuse("a test of bits")
        return Match(left, self._elements(left, self._listed(right), is_map=False), negated=op == "!=")

    def _ordered(self, left: Expression, op: str, right: Any) -> Match:
        value = self._sets.interval(_type_of(left), right)
        most = (1 << 32) - 1
        found = {"<": (0, value[0] - 1), "<=": (0, value[1]), ">": (value[1] + 1, most), ">=": (value[0], most)}.get(op)
        if found is None:
            raise self._refuse(f"the operator {op}")
        return Match(left, (Element((found,)),))

    def _listed(self, right: Any) -> list[Any]:
        if isinstance(right, dict) and set(right) == {"set"}:
            self._met += 1
            return list(right["set"])
        if isinstance(right, str) and right.startswith("@"):
            self._met += 1
            return self._table.named(right, self._where)
        return [right]

    def _assign(self, body: Mapping[str, Any]) -> Assign:
        field = self._expression(body["key"])
        if not isinstance(field, Field) or field.name not in _ASSIGNABLE:
            raise self._refuse(f"a change of {body['key']}")
        value = body["value"]
        number = self._table.literals.number(field.name, value)
        return Assign(field, Literal(number) if number is not None else self._expression(value, field))

    def _dispatch(self, body: Mapping[str, Any]) -> Dispatch:
        key, elements = self._key_and_elements(body)
        return Dispatch(key, elements)

    def _key_and_elements(self, body: Mapping[str, Any], of: Field | None = None) -> tuple[Expression, Elements]:
        key = self._expression(body["key"])
        return key, self._elements(key, self._listed(body["data"]), is_map=True, of=of)

    def _elements(self, key: Expression, written: list[Any], *, is_map: bool, of: Field | None = None) -> Elements:
        types = [_type_of(part) for part in (key.parts if isinstance(key, Concat) else (key,))]
        listed = partial(self._table.in_kernel, self._rule["handle"], self._rule["chain"], self._met - 1)
        if not is_map:
            return self._sets.of_set(types, written)
        value = self._verdict_or_counter if of is None else partial(self._number_of, of)
        return self._sets.of_map(types, written, value, listed)

    def _verdict_or_counter(self, written: Any) -> Verdict | None:
        # A text is the name of a counter.
        return None if isinstance(written, str) else self._verdict(written)

    def _number_of(self, field: Field, written: Any) -> int:
        number = self._table.literals.number(field.name, written)
        if number is None:
            raise self._refuse(f"the value {written}")
        return number

    def _expression(self, written: Any, of: Field | None = None) -> Expression:
        if isinstance(written, int):
            return Literal(written)
        if not isinstance(written, dict) or len(written) != 1:
            raise self._refuse(f"the expression {written}")
        ((kind, body),) = written.items()
        if kind == "meta":
            return Field(f"meta {body['key']}")
        if kind == "ct":
            return _connection_field(body)
        if kind == "payload":
            if "base" in body:
                return Raw(body["base"], body["offset"], body["len"])
            return Field(f"{body['protocol']} {body['field']}")
        if kind in ("&", "|") and len(body) == len(("left", "right")):
            inner = self._expression(body[0], of)
            number = self._table.literals.number(_type_of(inner), body[1])
            if number is None:
                raise self._refuse(f"the operand {body[1]}")
            return And(inner, number) if kind == "&" else Or(inner, number)
        if kind == "concat":
            return Concat(tuple(self._expression(each) for each in body))
        if kind == "jhash":
            return Hash(self._expression(body["expr"]), body["mod"], body.get("seed", 0), body.get("offset", 0))
        if kind == "map":
            key, elements = self._key_and_elements(body, of)
            return MapLookup(key, elements)
        raise self._refuse(f"the expression {kind}")


def _connection_field(body: Mapping[str, Any]) -> Field:
    name = body["key"].removeprefix("ip ")
    return Field(f"ct {body['dir']} {name}" if "dir" in body else f"ct {name}")


def _type_of(expression: Expression) -> str:
    """Name of the field whose constants are written beside an expression."""
    if isinstance(expression, Field):
        return expression.name
    if isinstance(expression, (And, Or)):
        return _type_of(expression.of)
    return ""
