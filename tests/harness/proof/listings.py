"""Small rulesets written by hand, in nft's JSON."""

from __future__ import annotations

from typing import Any

from harness.proof.parse import parse
from harness.proof.ruleset import Rule, Ruleset

LINKS = {"lo": 1, "wg": 2}


def match(left: Any, right: Any, op: str = "==") -> dict[str, Any]:
    """A match."""
    return {"match": {"op": op, "left": left, "right": right}}


def meta(key: str) -> dict[str, Any]:
    """A field of the packet's metadata."""
    return {"meta": {"key": key}}


def ct(key: str, direction: str = "") -> dict[str, Any]:
    """A field of the packet's connection."""
    return {"ct": {"key": key, "dir": direction} if direction else {"key": key}}


def header(protocol: str, field: str) -> dict[str, Any]:
    """A field of one of the packet's headers."""
    return {"payload": {"protocol": protocol, "field": field}}


def pairs_of_equals(mask: int) -> dict[str, Any]:
    """A match of the source's bits with the quoted destination's."""
    shift = (mask & -mask).bit_length() - 1
    values = [value << shift for value in range(1 << bin(mask).count("1"))]
    quoted = {"payload": {"base": "th", "offset": 192, "len": 32}}
    left = {"concat": [{"&": [header("ip", "saddr"), mask]}, {"&": [quoted, mask]}]}
    return match(left, {"set": [{"concat": [value, value]} for value in values]})


ACCEPT: dict[str, Any] = {"accept": None}
DROP: dict[str, Any] = {"drop": None}
MARK = {"mangle": {"key": meta("mark"), "value": 1}}


def listing(*rules: list[Any], chains: dict[str, list[list[Any]]] | None = None, **hook: Any) -> dict[str, Any]:
    """A table with one base chain that has these rules, and other chains.

    Args:
        hook: what the base chain has other than prerouting at -150 with the policy drop.
    """
    of_base = {"type": "filter", "hook": "prerouting", "prio": -150, "policy": "drop", **hook}
    entries: list[Any] = [{"table": {"family": "inet", "name": "t", "handle": 1}}, _chain("base", of_base)]
    entries += (_chain(name, {}) for name in chains or {})
    of_chains = {"base": rules, **(chains or {})}
    handle = 10
    for name, of_chain in of_chains.items():
        for each in of_chain:
            handle += 1
            entries.append(
                {"rule": {"family": "inet", "table": "t", "chain": name, "handle": handle, "expr": list(each)}}
            )
    return {"nftables": entries}


def _chain(name: str, more: dict[str, Any]) -> dict[str, Any]:
    return {"chain": {"family": "inet", "table": "t", "name": name, "handle": 2, **more}}


def parsed(*rules: list[Any], **more: Any) -> Ruleset:
    """The ruleset of such a listing."""
    return parse(listing(*rules, **more), LINKS)


def parsed_rule(*statements: Any) -> Rule:
    """One rule, parsed."""
    return parsed(list(statements)).tables[0].chains["base"].rules[0]
