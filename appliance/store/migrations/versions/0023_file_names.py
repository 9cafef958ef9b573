"""Names of configuration files, unique in an organization."""

from __future__ import annotations

from collections import defaultdict

import sqlalchemy as sa
from alembic import op

from appliance.model.file_names import interface_names

revision = "0023"
down_revision = "0022"

_AT_ONCE = 1000


def upgrade() -> None:
    op.add_column("machines", sa.Column("interface", sa.String(length=15), nullable=False, server_default=""))
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT id, organization_id, name FROM machines ORDER BY created_at, id"))
    taken: defaultdict[str, set[str]] = defaultdict(set)
    found = []
    for row in rows:
        others = taken[row.organization_id]
        interface = next(each for each in interface_names(row.name) if each not in others)
        others.add(interface)
        found.append({"machine": row.id, "interface": interface})
    for start in range(0, len(found), _AT_ONCE):
        connection.execute(
            sa.text("UPDATE machines SET interface = :interface WHERE id = :machine"), found[start : start + _AT_ONCE]
        )
    op.create_index(
        op.f("ix_machines_organization_id_interface"), "machines", ["organization_id", "interface"], unique=True
    )
