"""``deletions``: list deleted organizations, without their names and ids."""

from __future__ import annotations

import json

from appliance.cli import existing_service
from appliance.cli.options import AsJson, with_settings
from appliance.cli.settings import Settings
from appliance.model.plural import counted
from appliance.store import deletions as store
from appliance.store.deletions import Tombstone
from appliance.store.times import rfc3339


@with_settings("data", "database_url")
def deletions(as_json: AsJson = False, *, settings: Settings) -> None:
    """List when an organization was deleted and how much of what it had; neither its name nor its id is kept.

    Works with the service up or down.

    Exit codes: 0 done, 73 the database can't be used, 77 not root, 78 settings that make no sense or no store yet.
    """
    with existing_service.opened(settings) as found, found.store.read() as transaction:
        tombstones = store.tombstones(transaction)
    if as_json:
        print(json.dumps({"deletions": [_document(each) for each in tombstones]}, indent=2))
        return
    for each in tombstones:
        counts = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in each.removed.items() if count)
        print(f"{each.at:%Y-%m-%d %H:%M:%S} UTC  by {each.actor}: {counts}")
    print(f"{counted(len(tombstones), 'organization')} deleted.")


def _document(tombstone: Tombstone) -> dict[str, object]:
    return {
        "at": rfc3339(tombstone.at),
        "actor": tombstone.actor,
        "removed": dict(tombstone.removed),
    }
