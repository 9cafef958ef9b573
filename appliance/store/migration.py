"""The schema of a store: created, or migrated from an older revision.

Alembic is loaded only where there is something to migrate, as loading it takes a fifth of a second.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from appliance.store.database import Store
from appliance.store.revision import NEWEST, VERSION, revision
from appliance.store.schema import PARTIAL, metadata

_MIGRATIONS = Path(__file__).parent / "migrations"
_NEWEST = "head"


class LaterSchema(Exception):
    """A later version than this one has migrated the schema, so this one can't tell what it holds."""


def upgrade(store: Store, to: str = _NEWEST) -> None:
    """Migrate the schema to a revision, by default the newest, which an empty store gets at once.

    Raises:
        LaterSchema: this version does not know the schema's revision.
    """
    found = revision(store)
    if (found, to) == (NEWEST, _NEWEST):
        return
    if (found, to) == (None, _NEWEST):
        _create(store)
    elif found is not None and found not in known_revisions():
        raise LaterSchema(found)
    else:
        _migrate(store, to)


def _create(store: Store) -> None:
    if not store.is_sqlite:
        for index in PARTIAL:
            index.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]
    with store.write() as transaction:
        metadata.create_all(transaction, checkfirst=False)
        VERSION.create(transaction)
        transaction.execute(sa.insert(VERSION).values(version_num=NEWEST))


def _migrate(store: Store, to: str) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

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
    from alembic.script import ScriptDirectory

    return tuple(script.revision for script in ScriptDirectory(str(_MIGRATIONS)).walk_revisions())
