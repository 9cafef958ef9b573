"""nft's JSON of a ruleset, made complete so that nft loads it again.

nft 1.0.6 prints the keys of some verdict maps without their last part (`listing`), and does not load what it printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import fields, is_dataclass
from ipaddress import IPv4Address
from typing import Any

from harness.proof.intervals import Interval
from harness.proof.literals import ADDRESS_FIELDS
from harness.proof.meaning import leaf_of
from harness.proof.ruleset import Concat, Dispatch, Element, Expression, Field, Ruleset, Verdict


def restored(listing: Mapping[str, Any], ruleset: Ruleset) -> dict[str, Any]:
    """Returns a copy of a listing in which verdict maps with a concatenated key have their elements in full.

    Args:
        listing: of ``nft -j list ruleset``.
        ruleset: the same, parsed with the kernel's own listing of elements.
    """
    rules = {
        (table.family, table.name, chain.name, rule.handle): rule
        for table in ruleset.tables
        for chain in table.chains.values()
        for rule in chain.rules
    }
    found = deepcopy(dict(listing))
    for entry in found["nftables"]:
        each = entry.get("rule", {})
        # Tables of other families than IPv4's have no meaning in the proof, and stay as they are.
        rule = rules.get((each.get("family"), each.get("table"), each.get("chain"), each.get("handle")))
        if rule is None:
            continue
        dispatches = [one for one in rule.statements if isinstance(one, Dispatch)]
        written = [one["vmap"] for one in each["expr"] if "vmap" in one]
        for one, dispatch in zip(written, dispatches, strict=True):
            if isinstance(dispatch.key, Concat):
                one["data"] = {"set": [_element(dispatch.key, element) for element in dispatch.elements]}
    return found


def replacing(listing: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the commands, for ``nft -j -f``, that put the rules of a listing in place of all others at once."""
    entries = [entry for entry in listing["nftables"] if "metainfo" not in entry]
    return {"nftables": [{"flush": {"ruleset": None}}, *entries]}


def comparable(value: Any) -> Any:
    """A parsed value without what the kernel chose while it was loaded: handles, and the order of sets' elements."""
    if isinstance(value, Ruleset):
        return [
            (str(table), {name: comparable(chain) for name, chain in table.chains.items()}) for table in value.tables
        ]
    if isinstance(value, tuple) and value and isinstance(value[0], Element):
        return frozenset(value)
    if isinstance(value, tuple):
        return tuple(map(comparable, value))
    if is_dataclass(value):
        return type(value), [comparable(getattr(value, each.name)) for each in fields(value) if each.name != "handle"]
    return value


def _element(key: Concat, element: Element) -> list[Any]:
    assert isinstance(element.value, Verdict)
    verdict = {element.value.kind: {"target": element.value.chain} if element.value.chain else None}
    if element.key is None:
        return ["*", verdict]
    return [{"concat": [_part(*each) for each in zip(key.parts, element.key, strict=True)]}, verdict]


def _part(expression: Expression, interval: Interval) -> Any:
    first, last = (_constant(expression, each) for each in interval)
    return first if first == last else {"range": [first, last]}


def _constant(expression: Expression, value: int) -> int | str:
    leaf = leaf_of(expression)
    return str(IPv4Address(value)) if isinstance(leaf, Field) and leaf.name in ADDRESS_FIELDS else value
