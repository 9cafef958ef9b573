"""Migrations of the schema. A module of its own, because most programs that use a store need not load Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from appliance.store.database import Store
from appliance.store.schema import metadata

_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(store: Store, to: str = "head") -> None:
    """Migrate the schema to a revision, by default the newest."""
    scripts = ScriptDirectory(str(_MIGRATIONS))
    # Loaded before the transaction, in which files are read with the rights of the store's owner.
    tuple(scripts.walk_revisions())
    # Alembic's public command reads a file, `env.py`, within the transaction.
    steps = EnvironmentContext(Config(), scripts, fn=lambda revision, _: scripts._upgrade_revs(to, revision))  # noqa: SLF001
    with store.write() as transaction, steps:
        steps.configure(connection=transaction, target_metadata=metadata, render_as_batch=True)
        with steps.begin_transaction():
            steps.run_migrations()


def known_revisions() -> tuple[str, ...]:
    """Revisions that this version can migrate from, the newest first."""
    return tuple(script.revision for script in ScriptDirectory(str(_MIGRATIONS)).walk_revisions())
