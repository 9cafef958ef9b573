"""The schema's revisions. Apart from the store, because who only uses a store need not load what changes its schema."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from appliance.store.database import Store
from appliance.store.schema import metadata

_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(store: Store, to: str = "head") -> None:
    """Brings the schema to what this version expects; an up-to-date one stays as it is.

    Args:
        to: another revision than the newest.
    """
    scripts = ScriptDirectory(str(_MIGRATIONS))
    # Loaded before the transaction, in which the store's owner, who may not be able to read code, reaches files.
    tuple(scripts.walk_revisions())
    steps = EnvironmentContext(Config(), scripts, fn=lambda revision, _: scripts._upgrade_revs(to, revision))
    with store.write() as transaction, steps:
        steps.configure(connection=transaction, target_metadata=metadata, render_as_batch=True)
        with steps.begin_transaction():
            steps.run_migrations()


def known_revisions() -> tuple[str, ...]:
    """The schema revisions that this version can bring up to date, the newest first."""
    return tuple(script.revision for script in ScriptDirectory(str(_MIGRATIONS)).walk_revisions())
