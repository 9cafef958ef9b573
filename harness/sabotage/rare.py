"""Sabotages of the rules in the kernel that few packets meet."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from appliance.hub.ruleset import ALLOWED_MARK, buckets
from appliance.hub.ruleset.lookups import Key
from harness.sabotage.rules import change_chains, change_rulesets

_ACCEPT = f"meta mark set {ALLOWED_MARK:#x} accept"
_bucket_of = buckets.bucket_of


def accept_all_errors() -> None:
    """Accepts whatever is related to a connection."""
    _change_texts(lambda _, text: f"ct state related {_ACCEPT}" if text.startswith("ct state related") else text)


def judge_by_the_packet() -> None:
    """Looks at a packet's own addresses in place of those of who opened its connection."""
    _change_texts(lambda _, text: re.sub(r"ct original ip ([sd]addr)", r"ip \1", text))


def take_the_source_port() -> None:
    """Looks at the port that the opener chose where a rule allows a port."""
    _change_texts(lambda name, text: text.replace("proto-dst", "proto-src") if name.startswith("allow_") else text)


def leave_the_first_port_out() -> None:
    """Has each range of ports that a rule allows begin one port late."""

    def later(name: str, text: str) -> str:
        if not name.startswith("allow_"):
            return text
        return re.sub(r"\b(\d+)-(\d+)", lambda found: f"{int(found[1]) + 1}-{found[2]}", text)

    _change_texts(later)


def miss_the_bucket() -> None:
    """Puts each element of a lookup into the next bucket."""

    def next_one(key: Key, buckets: int) -> int:
        return (_bucket_of(key, buckets) + 1) % buckets

    buckets.bucket_of = next_one


def accept_other_protocols() -> None:
    """Accepts what is neither TCP nor UDP nor ICMP."""
    change_chains(lambda name, statements: (_ACCEPT,) if name == "denials_other" else statements)


def _change_texts(change: Callable[[str, str], str]) -> None:
    """Makes the compiler apply a change to each statement.

    Args:
        change: takes the chain's name and a statement; returns the changed one.
    """
    change_rulesets(
        lambda good, _desired, _link: replace(
            good,
            chains={name: tuple(change(name, each) for each in texts) for name, texts in good.chains.items()},
            leaves={name: tuple(change(name, each) for each in texts) for name, texts in good.leaves.items()},
        )
    )
