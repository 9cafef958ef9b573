"""Rules of a policy in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def describe_rule(rule: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Returns a rule as the API takes it in a few words.

    Args:
        names: names of ends, such as those of machines by ``machine:ID``; the others are shown as they are.
    """
    ends = (names.get(rule[end], str(rule[end])) for end in ("source", "destination"))
    limits = (str(rule[limit]) for limit in ("protocol", "ports") if rule.get(limit))
    return " ".join([rule["action"], "→".join(ends), *limits])
