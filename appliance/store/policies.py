"""Policies with their rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from appliance.model.difference import between_policies, differences, ends_with
from appliance.model.policy import Action, Policy, Protocol, Rule, Selector
from appliance.model.port_ranges import parse_ports
from appliance.store import policy_history
from appliance.store.schema import organizations
from appliance.store.schema import rules as _table

# Approximate bytes of a rule without names, description and ports, and most bytes of a range of ports.
_RULE_BYTES = 100
_RANGE_BYTES = 12
_HEAD = select(organizations.c.policy_default, organizations.c.policy_version).where(
    organizations.c.id == bindparam("organization")
)
_RULES = select(_table).where(_table.c.organization_id == bindparam("organization")).order_by(_table.c.position)
_DELETE = delete(_table).where(_table.c.id == bindparam("rule"))
_INSERT = insert(_table)
_SAVED = (
    update(organizations)
    .where(organizations.c.id == bindparam("organization"))
    .values(
        policy_default=bindparam("default"),
        policy_version=organizations.c.policy_version + 1,
        policy_bytes=organizations.c.policy_bytes + bindparam("growth"),
        history_bytes=organizations.c.history_bytes + bindparam("size"),
    )
    .returning(organizations.c.policy_version, organizations.c.history_bytes)
)
_LAST = select(func.max(_table.c.position)).where(_table.c.organization_id == bindparam("organization"))


@dataclass(frozen=True)
class SavedPolicy:
    """A stored policy with its version, which counts the saves."""

    policy: Policy
    version: int


def load(transaction: Connection, organization_id: str) -> SavedPolicy:
    parameters = {"organization": organization_id}
    head = transaction.execute(_HEAD, parameters).one()
    return SavedPolicy(with_rules(transaction, organization_id, head.policy_default), head.policy_version)


def with_rules(transaction: Connection, organization_id: str, default: str) -> Policy:
    """The policy with this stored default and the organization's stored rules."""
    rows = transaction.execute(_RULES, {"organization": organization_id})
    return Policy(Action(default), tuple(_loaded(row) for row in rows))


def growth(gone: Sequence[Rule], new: Sequence[Rule]) -> int:
    """Approximate difference in stored bytes, after some rules are removed and others added."""
    return sum(map(_size, new)) - sum(map(_size, gone))


def _size(rule: Rule) -> int:
    texts = (rule.source.name, rule.destination.name, rule.description)
    return _RULE_BYTES + sum(len(text.encode()) for text in texts) + _RANGE_BYTES * len(rule.ports)


def save(
    transaction: Connection, organization_id: str, before: Policy, policy: Policy, made_by: policy_history.Save
) -> SavedPolicy:
    """Replace a policy by another one, whose order of rules is kept, and add the save to the policy's history.

    Rules that both have are not written again, unless their order changed or new rules stand before them.
    """
    changes = between_policies(before, policy)
    gone, new = differences(before, policy) if changes is None else changes
    if changes is not None and ends_with(policy.rules, new):
        _delete(transaction, [rule.id for rule in gone])
        if new:
            # Removed rules leave gaps, so the number of rules is not the last position.
            last = transaction.execute(_LAST, {"organization": organization_id}).scalar_one() or 0
            _insert(transaction, organization_id, new, first_position=last + 1)
    else:
        transaction.execute(delete(_table).where(_table.c.organization_id == organization_id))
        _insert(transaction, organization_id, policy.rules, first_position=1)
    delta = policy_history.reverse_delta(made_by, before.default, gone, new)
    parameters = {
        "organization": organization_id,
        "default": policy.default.value,
        "growth": growth(gone, new),
        "size": delta.size,
    }
    saved = transaction.execute(_SAVED, parameters).one()
    policy_history.add(transaction, organization_id, saved.policy_version, delta, saved.history_bytes)
    return SavedPolicy(policy, saved.policy_version)


def _delete(transaction: Connection, ids: Sequence[str]) -> None:
    if ids:
        transaction.execute(_DELETE, [{"rule": each} for each in ids])


def _insert(transaction: Connection, organization_id: str, rules: Sequence[Rule], *, first_position: int) -> None:
    if rules:
        transaction.execute(
            _INSERT,
            [
                {"id": rule.id, "organization_id": organization_id, "position": position, **rule.parts}
                for position, rule in enumerate(rules, first_position)
            ],
        )


def _loaded(row: Any) -> Rule:
    return Rule(
        id=row.id,
        action=Action(row.action),
        source=Selector.parse(row.source, field="source"),
        destination=Selector.parse(row.destination, field="destination"),
        protocol=Protocol(row.protocol),
        ports=parse_ports(row.ports),
        description=row.description,
    )
