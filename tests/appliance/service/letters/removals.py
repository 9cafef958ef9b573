"""Outcomes of removals of second factors."""

from __future__ import annotations

from appliance.model.errors import CodeNeeded
from appliance.service import (
    Actor,
    Context,
    log_in,
    organizations,
)
from tests.appliance.members import PASSWORD
from tests.appliance.service.letters.conftest import EMAIL


def is_open(context: Context) -> bool:
    """Tells if the password alone opens the account."""
    try:
        log_in.log_in(context, email=EMAIL, password=PASSWORD)
    except CodeNeeded:
        return False
    return True


def actions(context: Context, actor: Actor) -> list[tuple[str, str]]:
    """Lists the audit trail's entries about removals, oldest first."""
    found = organizations.trail(context, actor)[0]
    return [(entry.action, entry.actor) for entry in reversed(found) if entry.action.startswith("factor-removal")]
