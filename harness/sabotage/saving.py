"""Sabotages of saving policies."""

from __future__ import annotations

import threading
from collections.abc import Collection

from appliance.model.policy import Rule
from appliance.service import policy as policies
from appliance.service.context import Actor, Context

_LATE_S = 0.15
_add_rule = policies.add_rule


def answer_single_rules_first() -> None:
    """Answers the addition of a single rule first, and saves it 150 ms later."""

    def add_rule(context: Context, actor: Actor, rule: Rule, *, seen: Collection[int] | None = None) -> Rule:
        threading.Timer(_LATE_S, _add_rule, (context, actor, rule), {"seen": seen}).start()
        return rule

    policies.add_rule = add_rule
