"""``deletions``: list deleted organizations, without their names and ids."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.cli.lists import print_list
from appliance.cli.options import AsJson, with_settings
from appliance.cli.settings import Settings
from appliance.model.plural import counted
from appliance.store import deletions as store
from appliance.store.deletions import Tombstone


@with_settings("data", "database_url")
def deletions(as_json: AsJson = False, *, settings: Settings) -> None:
    """List when an organization was deleted and how much of what it had; neither its name nor its id is kept.

    Works with the service up or down.

    Exit codes: 0 done, 73 the database can't be used, 77 not root, 78 settings that make no sense or no store yet.
    """
    print_list(settings, "deletions", store.tombstones, _document, None if as_json else _show)


def _show(tombstones: Sequence[Tombstone]) -> None:
    for each in tombstones:
        counts = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in each.removed.items() if count)
        print(f"{each.at:%Y-%m-%d %H:%M:%S} UTC  by {each.actor}: {counts}")
    print(f"{counted(len(tombstones), 'organization')} deleted.")


def _document(tombstone: Tombstone) -> dict[str, object]:
    return {"at": tombstone.at, "actor": tombstone.actor, "removed": dict(tombstone.removed)}
