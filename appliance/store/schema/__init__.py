"""Tables of the store. Constraints of the database, not checks in code, guarantee uniqueness."""

from __future__ import annotations

from appliance.store.schema.base import metadata
from appliance.store.schema.operators import (
    operator_factors,
    operator_links,
    operator_recovery_codes,
    operator_sessions,
    operators,
)
from appliance.store.schema.organizations import (
    DISABLED,
    IS_DISABLED,
    audit,
    decided_packets,
    deletions,
    expectations,
    instance,
    lifetimes,
    machines,
    meter_spans,
    organizations,
    policy_history,
    released_addresses,
    rules,
)
from appliance.store.schema.people import (
    api_tokens,
    challenges,
    factor_removals,
    invitations,
    members,
    passkeys,
    permits,
    recovery_codes,
    reset_requests,
    second_factors,
    sessions,
    tickets,
)
from appliance.store.schema.requests import hidden_runs, mail, operations, repeats
from appliance.store.schema.shards import shards

__all__ = [
    "DISABLED",
    "IS_DISABLED",
    "api_tokens",
    "audit",
    "challenges",
    "decided_packets",
    "deletions",
    "expectations",
    "factor_removals",
    "hidden_runs",
    "instance",
    "invitations",
    "lifetimes",
    "machines",
    "mail",
    "members",
    "metadata",
    "meter_spans",
    "operations",
    "operator_factors",
    "operator_links",
    "operator_recovery_codes",
    "operator_sessions",
    "operators",
    "organizations",
    "passkeys",
    "permits",
    "policy_history",
    "recovery_codes",
    "released_addresses",
    "repeats",
    "reset_requests",
    "rules",
    "second_factors",
    "sessions",
    "shards",
    "tickets",
]
