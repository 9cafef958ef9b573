"""Differences between a copy of a namespace and what was read: deletions, and rates that are used up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from harness.proof.damage import Deletion
from harness.proof.replay.namespace import Rebuilt

_TINY = {"rate": 1, "per": "second", "rate_unit": "bytes", "burst": 0, "burst_unit": "bytes"}


@dataclass(frozen=True)
class Circumstances:
    """Differences between a copy and what was read.

    Attributes:
        deletions: are made before the packet is sent.
        beyond: rules with rates, as `rates` names them, beyond which every packet comes; it is within all others.
    """

    deletions: tuple[Deletion, ...] = ()
    beyond: frozenset[str] = frozenset()


AS_READ = Circumstances()


def rates(listing: Mapping[str, Any]) -> frozenset[str]:
    """The rules that have a rate, each as a proof's trace names it."""
    rules = (entry["rule"] for entry in listing["nftables"] if "rule" in entry)
    return frozenset(_name(rule) for rule in rules if any(_limits(rule["expr"])))


def _name(rule: Mapping[str, Any]) -> str:
    return f"{rule['family']} {rule['table']} {rule['chain']} handle {rule['handle']}"


def beyond_rates(listing: Mapping[str, Any], beyond: frozenset[str]) -> dict[str, Any]:
    """Returns a copy of a listing in which the rates of some rules are one byte a second: no packet is within them.

    Thousands of packets before would have the same effect: a rate decides by nothing else than what came before
    (net/netfilter/nft_limit.c, `nft_limit_eval`).
    """
    found = deepcopy(dict(listing))
    rules = (entry["rule"] for entry in found["nftables"] if "rule" in entry)
    for limit in (each for rule in rules if _name(rule) in beyond for each in _limits(rule["expr"])):
        is_over = bool(limit.get("inv"))
        limit.clear()
        limit.update(_TINY, **({"inv": True} if is_over else {}))
    return found


def _limits(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for each in value:
            yield from _limits(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key == "limit" and isinstance(each, dict):
                yield each
            else:
                yield from _limits(each)


def delete(namespace: Rebuilt, listing: Mapping[str, Any], deletions: Sequence[Deletion]) -> None:
    """Makes deletions in a copy whose rules are in force.

    Args:
        listing: from which the deletions were found; the copy has other handles.

    Raises:
        Unreplayable: the kernel refuses one.
    """
    for each in deletions:
        words = each.command.split()
        if each.kind == "rule":
            *_, family, table, chain, _, handle = words
            where = family, table, chain
            copied = json.loads(namespace.run("nft", "-j", "list", "ruleset"))
            at = _handles(listing, where).index(int(handle))
            namespace.run(*words[:-1], str(_handles(copied, where)[at]))
        elif each.kind == "setting":
            name, _, value = words[-1].partition("=")
            namespace.write_settings({name: value})
        else:
            namespace.run(*words)
        if each.kind == "link":
            namespace.forget(words[-1])


def _handles(listing: Mapping[str, Any], where: tuple[str, ...]) -> list[int]:
    """Handles of a chain's rules, in their order."""
    rules = (entry["rule"] for entry in listing["nftables"] if "rule" in entry)
    return [each["handle"] for each in rules if (each["family"], each["table"], each["chain"]) == where]
