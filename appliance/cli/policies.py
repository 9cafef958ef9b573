"""``admin policies``: what organizations' policies say, for programs such as ``prove``."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from appliance.cli import existing_service
from appliance.cli.errors import CommandError, Exit
from appliance.cli.options import with_settings
from appliance.cli.settings import Settings
from appliance.store import organizations, overview, policies
from appliance.store.overview import OrganizationSummary
from appliance.store.policies import SavedPolicy
from appliance.store.times import rfc3339

EXITS = (
    "Exit codes: 0 done, 66 no such organization, 73 the database can't be used, 77 not root, 78 settings that make "
    "no sense or no store yet."
)


@with_settings("data", "database_url")
def print_policies(
    organization: Annotated[str | None, typer.Option(help="Only the one of this id, or those of this name.")] = None,
    *,
    settings: Settings,
) -> None:
    """Print what organizations' policies say and about which machines, as JSON in the API's words.

    Disabled machines are left out.
    """
    with existing_service.opened(settings) as found, found.store.read() as transaction:
        lines = [line for line in overview.summaries(transaction) if organization in (None, line.id, line.name)]
        if organization is not None and not lines:
            raise CommandError(
                f"There is no organization {organization!r}; `meshwg admin list` tells which there are.", Exit.NO_INPUT
            )
        documents = [_document(transaction, line) for line in lines]
    print(json.dumps({"organizations": documents}, indent=2))


def _document(transaction: Connection, line: OrganizationSummary) -> dict[str, Any]:
    state = organizations.state(transaction, line.id)
    assert state is not None
    return {
        "id": line.id,
        "name": line.name,
        "network": str(state.network),
        "suspended_at": None if line.suspended_at is None else rfc3339(line.suspended_at),
        "machines": [
            {"id": each.id, "address": str(each.address), "public_key": each.public_key, "groups": sorted(each.groups)}
            for each in state.peers
        ],
        "policy": _policy(policies.load(transaction, line.id)),
    }


def _policy(saved: SavedPolicy) -> dict[str, Any]:
    """Say what a policy says in the words of the API, whose own code would load all of the web process's."""
    rules = [{"id": rule.id, **rule.parts} for rule in saved.policy.rules]
    return {"default": saved.policy.default.value, "rules": rules, "version": saved.version}
