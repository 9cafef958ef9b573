"""Sabotages of what is in service: disabled machines, suspended organizations."""

from __future__ import annotations

from harness.sabotage.entry import Sabotage

_KINDS = "test_each_kind_of_change_takes_effect"

STANDING = (
    Sabotage(
        "disabled-machine-stays",
        "policy-churn",
        "a machine that is disabled stays a peer of the hub's link",
        "standing:disable_in_the_store_alone",
        _KINDS,
        "a disabled machine still reaches",
    ),
    Sabotage(
        "suspension-in-the-store-alone",
        "policy-churn",
        "a suspended organization keeps its part of the data plane",
        "standing:suspend_in_the_store_alone",
        _KINDS,
        "a machine of a suspended organization still reaches",
    ),
    Sabotage(
        "suspended-programs-call",
        "policy-churn",
        "an API token opens its organization while that is suspended",
        "standing:let_suspended_programs_in",
        _KINDS,
        "a token of a suspended organization is answered",
    ),
    Sabotage(
        "address-of-disabled-given-at-once",
        "policy-churn",
        "the address of a machine that was disabled is given again as soon as it is removed",
        "addresses:keep_no_address_of_disabled_machines",
        _KINDS,
        "the address of a removed machine was given again at once",
    ),
)
