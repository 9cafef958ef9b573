"""The schema's revisions. Apart from the store, because who only uses a store need not load what changes its schema."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from appliance.store.database import Store

_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(store: Store) -> None:
    """Brings the schema to what this version expects; an up-to-date one stays as it is."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with store.write() as transaction:
        config.attributes["connection"] = transaction
        command.upgrade(config, "head")


def known_revisions() -> tuple[str, ...]:
    """The schema revisions that this version can bring up to date, the newest first."""
    return tuple(script.revision for script in ScriptDirectory(str(_MIGRATIONS)).walk_revisions())
