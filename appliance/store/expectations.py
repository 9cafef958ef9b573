"""Expectations of policies."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from appliance.model.expectations import Expectation
from appliance.model.policy import Action, Protocol, Selector
from appliance.store.schema import expectations as _table
from appliance.store.schema import organizations as _organizations

_ALL = select(_table).where(_table.c.organization_id == bindparam("organization")).order_by(_table.c.position)


def load(transaction: Connection, organization_id: str) -> list[Expectation]:
    """The organization's expectations, in their order."""
    return [
        Expectation(
            Selector.parse(row.source, field="source"),
            Selector.parse(row.destination, field="destination"),
            Action(row.verdict),
            Protocol(row.protocol),
            row.port,
        )
        for row in transaction.execute(_ALL, {"organization": organization_id})
    ]


def replace(transaction: Connection, organization_id: str, expectations: Sequence[Expectation]) -> None:
    """Replace the organization's expectations."""
    transaction.execute(delete(_table).where(_table.c.organization_id == organization_id))
    if expectations:
        transaction.execute(
            insert(_table),
            [
                {
                    "organization_id": organization_id,
                    "position": position,
                    "source": str(each.source),
                    "destination": str(each.destination),
                    "protocol": each.protocol.value,
                    "port": each.port,
                    "verdict": each.verdict.value,
                }
                for position, each in enumerate(expectations)
            ],
        )
    transaction.execute(
        update(_organizations).where(_organizations.c.id == organization_id).values(expectation_count=len(expectations))
    )
