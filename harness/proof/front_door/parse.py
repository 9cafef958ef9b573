"""Parser from ``nft -j list ruleset`` to a `Door`: what is not understood is refused, never skipped.

nft 1.0.6 prints a statement that writes to a map as text (`add @sessions { @th,96,32 : udp sport }`), newer versions
print JSON. Conditions that a field implies, such as ``meta l4proto udp``, are left out by nft and part of the field's
meaning here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness.proof.errors import Unmodelled
from harness.proof.front_door.expressions import Expressions
from harness.proof.front_door.statements import (
    Chain,
    Change,
    Compare,
    Constant,
    Door,
    Entry,
    Key,
    Masked,
    Member,
    Memory,
    Rate,
    Rule,
    Statement,
    Store,
    Value,
    width_of,
)
from harness.proof.ruleset import Decide, Field, Hook, NoTrack, Raw, Verdict

_CHANGE = re.compile(r"(add|update|delete) @(\S+) \{ ([^{}]+) : ([^{}]+) \}")
_TYPES = {"integer": 32, "ipv4_addr": 32, "ipv6_addr": 128, "inet_service": 16, "inet_proto": 8}
_NO_EFFECT = ("counter", "log", "comment")
_WRITABLE = ("udp sport", "udp dport", "ip saddr", "ip6 saddr", "meta mark")
_HOOKS = ("prerouting", "output")
_BEFORE_TRACKING = range(-399, -200)


def parse(entries: Sequence[tuple[str, Any]], table: str, links: Mapping[str, int]) -> Door:
    """Parses one table of the family ``inet``.

    Args:
        entries: kinds and objects of a listing.
        links: index of each link by its name.

    Raises:
        Unmodelled: something in it has no meaning here.
    """
    own = [(kind, each) for kind, each in entries if each.get("table") == table and each.get("family") == "inet"]
    memories = {each["name"]: _memory(kind, each, table) for kind, each in own if kind in ("set", "map")}
    rules = [each for kind, each in own if kind == "rule"]
    chains = [each for kind, each in own if kind == "chain"]
    names = frozenset(each["name"] for each in chains)
    found = {}
    for each in chains:
        name = each["name"]
        where = f"table inet {table}, chain {name}"
        of_chain = [rule for rule in rules if rule["chain"] == name]
        parsed = (
            _RuleParser(names, memories, links, f"{where}, handle {rule['handle']}").rule(rule) for rule in of_chain
        )
        found[name] = Chain(name, _hook(each, where), tuple(parsed))
    return Door(table, found, memories)


def _memory(kind: str, each: Mapping[str, Any], table: str) -> Memory:
    of = Expressions({}, f"table inet {table}, {kind} {each['name']}")
    if set(each.get("flags", ())) - {"timeout", "dynamic"}:
        raise of.refuse(f"the flags {each['flags']}")
    value = _bits(each["map"], of) if kind == "map" else 0
    return Memory(each["name"], _bits(each["type"], of), value, each.get("timeout", 0))


def _bits(written: Any, of: Expressions) -> int:
    """Bits of a type, which newer versions of nft print as the expression that has it."""
    if isinstance(written, dict) and set(written) == {"typeof"}:
        return sum(map(width_of, of.key(written["typeof"]).parts))
    types = written if isinstance(written, list) else [written]
    if not all(isinstance(each, str) and each in _TYPES for each in types):
        raise of.refuse(f"the type {written}")
    return sum(map(_TYPES.__getitem__, types))


def _hook(chain: Mapping[str, Any], where: str) -> Hook | None:
    if "hook" not in chain:
        return None
    if chain["hook"] not in _HOOKS or chain["prio"] not in _BEFORE_TRACKING:
        raise Unmodelled(f"the hook {chain['hook']} at priority {chain['prio']}", where)
    return Hook(chain["hook"], chain["prio"], chain["policy"])


class _RuleParser:
    def __init__(
        self, chains: frozenset[str], memories: Mapping[str, Memory], links: Mapping[str, int], where: str
    ) -> None:
        self._chains = chains
        self._memories = memories
        self._of = Expressions(links, where)

    def rule(self, written: Mapping[str, Any]) -> Rule:
        statements = (self._statement(each) for each in written["expr"])
        return Rule(written["handle"], tuple(each for each in statements if each is not None))

    def _statement(self, written: Any) -> Statement | None:
        if isinstance(written, str):
            return self._change_in_words(written)
        if not isinstance(written, dict) or len(written) != 1:
            raise self._of.refuse(f"the statement {written}")
        ((kind, body),) = written.items()
        if kind == "match":
            return self._match(body)
        if kind == "mangle":
            return self._store(body)
        if kind in ("set", "map"):
            return self._change(kind, body)
        if kind == "limit":
            return Rate()
        if kind == "notrack":
            return NoTrack()
        if kind in _NO_EFFECT and not (isinstance(body, dict) and "map" in body):
            return None
        return Decide(self._verdict(kind, body))

    def _verdict(self, kind: str, body: Any) -> Verdict:
        if kind in ("accept", "drop", "return"):
            return Verdict(kind)
        if kind in ("jump", "goto") and body["target"] in self._chains:
            return Verdict(kind, body["target"])
        raise self._of.refuse(f"the statement {kind}")

    def _match(self, body: Mapping[str, Any]) -> Statement:
        negated = {"==": False, "!=": True}.get(body["op"])
        if negated is None:
            raise self._of.refuse(f"the operator {body['op']}")
        right = body["right"]
        if isinstance(right, str) and right.startswith("@"):
            key = self._of.key(body["left"])
            return Member(key, self._named(right, key).name, negated)
        left = self._of.part(body["left"])
        return Compare(left, self._of.number(left, right), negated)

    def _store(self, body: Mapping[str, Any]) -> Store:
        field = self._of.part(body["key"])
        if not isinstance(field, Field) or field.name not in _WRITABLE:
            raise self._of.refuse(f"a change of {body['key']}")
        value = self._value(field, body["value"])
        return Store(field, value)

    def _value(self, field: Field, written: Any) -> Value:
        if not isinstance(written, dict):
            return Constant(self._of.number(field, written))
        if set(written) != {"map"}:
            raise self._of.refuse(f"the value {written}")
        key = self._of.key(written["map"]["key"])
        if not isinstance(written["map"]["data"], str):
            raise self._of.refuse("a map without a name")
        memory = self._named(written["map"]["data"], key)
        if memory.value != width_of(field):
            raise self._of.refuse(f"a value of {memory.value} bits for {field.name}")
        return Entry(key, memory.name)

    def _change(self, kind: str, body: Mapping[str, Any]) -> Change:
        written = body.get("stmt", [])
        rates = written if isinstance(written, list) else [written]
        if any(set(each) != {"limit"} for each in rates):
            raise self._of.refuse(f"an element with {rates}")
        data = self._of.part(body["data"]) if kind == "map" else None
        return self._checked(body["op"], body[kind], self._of.key(body["elem"]), data, has_rate=bool(rates))

    def _change_in_words(self, text: str) -> Change:
        found = _CHANGE.fullmatch(text)
        if found is None:
            raise self._of.refuse(f"the statement {text}")
        return self._checked(
            found[1], f"@{found[2]}", self._of.key_in_words(found[3]), self._of.part_in_words(found[4])
        )

    def _checked(
        self, op: str, reference: str, key: Key, value: Field | Raw | Masked | None, *, has_rate: bool = False
    ) -> Change:
        memory = self._named(reference, key)
        if op not in ("add", "update", "delete") or memory.value != (0 if value is None else width_of(value)):
            raise self._of.refuse(f"a change {op} of {reference}")
        return Change(op, memory.name, key, value, has_rate)

    def _named(self, reference: str, key: Key) -> Memory:
        memory = self._memories.get(reference.removeprefix("@"))
        if memory is None or memory.key != sum(map(width_of, key.parts)):
            raise self._of.refuse(f"the set {reference}")
        return memory
