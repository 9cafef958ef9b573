"""Sabotages of the rules in the kernel that few packets meet."""

from __future__ import annotations

import re

from appliance.hub.ruleset import ALLOWED_MARK, buckets
from appliance.hub.ruleset.lookups import Key
from appliance.model.policy import Action, Policy, Rule, SelectorKind
from harness.sabotage.rules import change_chain, change_statements

_ACCEPT = f"meta mark set {ALLOWED_MARK:#x} accept"
_bucket_of = buckets.bucket_of
_MANY = 4


def accept_all_errors() -> None:
    """Accepts whatever is related to a connection."""
    change_statements(lambda text: f"ct state related {_ACCEPT}" if text.startswith("ct state related") else text)


def judge_by_the_packet() -> None:
    """Looks at a packet's own addresses in place of those of who opened its connection."""
    change_statements(
        lambda text: re.sub(r"ct original ip ([sd]addr)", r"ip \1", text),
        applies=lambda policy: any(rule.source.kind is SelectorKind.MACHINE for rule in _counting(policy)),
    )


def take_the_source_port() -> None:
    """Looks at the port that the opener chose where a rule allows a port."""
    change_statements(
        lambda text: text.replace("proto-dst", "proto-src"),
        chains="allow_",
        applies=lambda policy: any(rule.ports for rule in _counting(policy)),
    )


def leave_the_first_port_out() -> None:
    """Has each range of ports that a rule allows begin one port late."""

    def later(text: str) -> str:
        return re.sub(r"\b(\d+)-(\d+)", lambda found: f"{int(found[1]) + 1}-{found[2]}", text)

    change_statements(
        later,
        chains="allow_",
        applies=lambda policy: any(each.first < each.last for rule in _counting(policy) for each in rule.ports),
    )


def leave_the_last_port_out() -> None:
    """Has each range of ports that a rule allows end one port early."""

    def earlier(text: str) -> str:
        return re.sub(r"\b(\d+)-(\d+)", lambda found: f"{found[1]}-{int(found[2]) - 1}", text)

    change_statements(
        earlier,
        chains="allow_",
        applies=lambda policy: any(each.first < each.last for rule in _counting(policy) for each in rule.ports),
    )


def accept_low_source_ports() -> None:
    """Accepts datagrams from the ports of well-known services."""
    change_chain("judge", lambda statements: (f"udp sport 1-1023 {_ACCEPT}", *statements))


def miss_the_bucket() -> None:
    """Puts each element of a lookup into the next bucket."""

    def next_one(key: Key, buckets: int) -> int:
        return (_bucket_of(key, buckets) + 1) % buckets

    buckets.bucket_of = next_one


def miss_one_of_many_buckets() -> None:
    """Puts each element of a lookup that has four buckets or more into the next one."""

    def next_one(key: Key, buckets: int) -> int:
        right = _bucket_of(key, buckets)
        return right if buckets < _MANY else (right + 1) % buckets

    buckets.bucket_of = next_one


def accept_other_protocols() -> None:
    """Accepts what is neither TCP nor UDP nor ICMP."""
    change_chain("denials_other", lambda _: (_ACCEPT,))


def _counting(policy: Policy) -> list[Rule]:
    """Returns the allow rules, if they allow anything that the default does not."""
    return [rule for rule in policy.rules if rule.action is Action.ALLOW and policy.default is Action.DENY]
