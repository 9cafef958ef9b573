"""Rights of roles and scopes."""

from __future__ import annotations

import pytest

from appliance.model.access import CHANGE, LOOK, MANAGE, SELF, Access, Scope
from appliance.model.errors import Forbidden
from appliance.model.organization import Role

CALLERS = [(role, scope) for role in Role for scope in (None, *Scope)]
ADMITTED: dict[Access, set[tuple[Role, Scope | None]]] = {
    LOOK: set(CALLERS),
    CHANGE: {(role, scope) for role in (Role.OWNER, Role.ADMIN) for scope in (None, Scope.WRITE)},
    MANAGE: {(Role.OWNER, None)},
    SELF: {(role, None) for role in Role},
}


@pytest.mark.parametrize("access", ADMITTED, ids=["look", "change", "manage", "self"])
def test_those_and_only_those_are_admitted_who_may(access: Access) -> None:
    assert {caller for caller in CALLERS if _is_admitted(access, *caller)} == ADMITTED[access]


def _is_admitted(access: Access, role: Role, scope: Scope | None) -> bool:
    try:
        access.check(role, scope)
    except Forbidden:
        return False
    return True
