"""Repairs of rules in a real namespace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appliance.hub.kernel.generation import Ledger
from appliance.hub.plane.enforcement import Enforcement
from appliance.hub.ruleset import UNMATCHED, counter_name
from appliance.model.policy import Action, Policy
from tests.appliance.hub.ruled import Kernel, members, rule, state_of

FIRST, SECOND = members(2)
STATE = state_of((FIRST, SECOND), Policy(Action.ALLOW, (rule("d", Action.DENY, FIRST, SECOND),)))


@pytest.fixture
def enforcement(kernel: Kernel, ledger: Ledger) -> Iterator[Enforcement]:
    """Provides the enforcement of a state in the namespace of the wire."""
    made = Enforcement(ledger)
    made.enforce(kernel.wire.names, STATE)
    yield made
    made.forget(kernel.wire.names.namespace)


@pytest.mark.parametrize("damage", ["flush chain inet mesh judge", "add table ip foreign"])
def test_counts_go_on_after_a_repair(kernel: Kernel, enforcement: Enforcement, damage: str) -> None:
    """Meters of decided packets and the pages read them: a count that begins anew would be lost traffic."""

    def send() -> None:
        for source, destination, times in ((FIRST, SECOND, 3), (SECOND, FIRST, 2)):
            for _ in range(times):
                kernel.wire.passes(kernel.new_flow(source, destination, "udp", 53).opening())

    send()
    counted = {counter_name("d"): 3, UNMATCHED: 2}
    assert kernel.counts() == counted
    kernel.rulesets.load(kernel.wire.names.namespace, f"{damage}\n")
    assert enforcement.enforce(kernel.wire.names, STATE) != ()
    assert kernel.counts() == counted
    send()
    assert kernel.counts() == {name: 2 * count for name, count in counted.items()}
