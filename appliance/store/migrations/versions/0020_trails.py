"""Metered spans apart from the audit trail, and sizes of trails."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

_METERED = (
    "machine.added",
    "machine.changed",
    "machine.removed",
    "organization.created",
    "organization.changed",
    "organization.suspended",
    "organization.resumed",
)
_AT_ONCE = 1000
_OCTETS = {"sqlite": "length(CAST({} AS BLOB))", "postgresql": "octet_length({})"}


def upgrade() -> None:
    for name in ("policy_bytes", "meter_from", "meter_at", "meter_end", "trail_entries", "trail_day"):
        op.add_column("organizations", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    for name in ("trail_bytes", "trail_day_bytes"):
        op.add_column("organizations", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("organizations", sa.Column("trail_oldest_at", sa.Float(), nullable=True))
    op.add_column("audit", sa.Column("size", sa.Integer(), nullable=False, server_default="0"))
    lifetimes = op.create_table(
        "lifetimes",
        sa.Column("organization_id", sa.String(length=10), nullable=False),
        sa.Column("machine_id", sa.String(length=12), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("since", sa.Integer(), nullable=False),
        sa.Column("until", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_lifetimes_organization_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("organization_id", "machine_id", name=op.f("pk_lifetimes")),
    )
    spans = op.create_table(
        "meter_spans",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("organization_id", sa.String(length=10), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("since", sa.Integer(), nullable=False),
        sa.Column("until", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_meter_spans_organization_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meter_spans")),
    )
    op.create_index(op.f("ix_meter_spans_organization_id_id"), "meter_spans", ["organization_id", "id"])
    op.create_index(op.f("ix_organizations_trail_oldest_at"), "organizations", ["trail_oldest_at"])
    _measure()
    _meter(lifetimes, spans)


def _measure() -> None:
    # As in `policies.growth`, apart from ports, which count with the length of their text here.
    octets = _OCTETS[op.get_context().dialect.name]
    texts = " + ".join(octets.format(column) for column in ("source", "destination", "ports", "description"))
    total = f"SELECT coalesce(sum(100 + {texts}), 0) FROM rules WHERE organization_id = organizations.id"  # noqa: S608
    op.execute(f"UPDATE organizations SET policy_bytes = ({total})")  # noqa: S608 - no input
    op.execute("UPDATE audit SET size = 120 + length(actor) + length(CAST(detail AS TEXT))")
    op.execute(
        "UPDATE organizations SET "
        "trail_entries = (SELECT count(*) FROM audit WHERE organization_id = organizations.id), "
        "trail_bytes = (SELECT coalesce(sum(size), 0) FROM audit WHERE organization_id = organizations.id), "
        "trail_oldest_at = (SELECT min(at) FROM audit WHERE organization_id = organizations.id)"
    )


def _meter(lifetimes: sa.Table, spans: sa.Table) -> None:
    connection = op.get_bind()
    wanted = sa.text(
        "SELECT organization_id, at, action, detail FROM audit WHERE action IN :actions ORDER BY organization_id, id"
    ).bindparams(sa.bindparam("actions", _METERED, expanding=True))
    rows = connection.execute(wanted, execution_options={"yield_per": _AT_ONCE})
    for organization, entries in groupby(rows, key=lambda row: str(row.organization_id)):
        meter = _Meter()
        for entry in entries:
            detail = json.loads(entry.detail) if isinstance(entry.detail, str) else entry.detail
            meter.note(entry.at, entry.action, detail)
        for table, found in ((lifetimes, meter.lifetimes.values()), (spans, meter.spans)):
            made = [{"organization_id": organization, **each} for each in found]
            for start in range(0, len(made), _AT_ONCE):
                connection.execute(sa.insert(table), made[start : start + _AT_ONCE])
        connection.execute(
            sa.text("UPDATE organizations SET meter_from = :a, meter_at = :b, meter_end = :c WHERE id = :id"),
            {"a": meter.first, "b": meter.at, "c": meter.end, "id": organization},
        )


class _Meter:
    """Meter of one organization, fed with its audit entries from the oldest on."""

    def __init__(self) -> None:
        self.first = self.at = self.end = 0
        self.lifetimes: dict[str, dict[str, Any]] = {}
        self.spans: list[dict[str, Any]] = []

    def note(self, moment: float, action: str, detail: dict[str, Any]) -> None:
        self.at = max(self.at, int(moment // 60))
        self.end = max(self.end, -int(-moment // 60))
        self.first = self.first or self.at
        machine = str(detail.get("machine", ""))
        if action == "machine.added":
            self.lifetimes[machine] = {
                "machine_id": machine, "name": str(detail["name"]), "since": self.at, "until": None,
            }  # fmt: skip
        elif action == "machine.changed" and machine in self.lifetimes:
            self.lifetimes[machine]["name"] = str(detail["name"])
        elif action == "machine.removed" and machine in self.lifetimes:
            self.lifetimes[machine]["until"] = self.end
        elif action == "organization.suspended":
            self._open("suspended", self.end)
        elif action == "organization.resumed":
            self._close("suspended", self.at)
        elif action == "organization.changed" and detail.get("plan") == "paid":
            self._open("paid", self.at)
        elif action == "organization.changed" and "plan" in detail:
            self._close("paid", self.end)

    def _open(self, kind: str, since: int) -> None:
        last = next((each for each in reversed(self.spans) if each["kind"] == kind), None)
        if last is not None and (last["until"] is None or last["until"] >= since):
            last["until"] = None
        else:
            self.spans.append({"kind": kind, "since": since, "until": None})

    def _close(self, kind: str, until: int) -> None:
        for each in [each for each in self.spans if each["kind"] == kind and each["until"] is None]:
            if each["since"] >= until:
                self.spans.remove(each)
            else:
                each["until"] = until
