"""States that a hub reads from the store when it starts, which somebody else may have written."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from appliance.hub.plane.state_checks import Distrusted
from appliance.model.policy import ANYONE, Action, Rule
from appliance.service import Actor, Context
from appliance.service import policy as policies
from appliance.store import Store
from appliance.store.schema import rules
from tests.appliance.hub.arbitrated import MadeUpDoor, MadeUpPlane, make_arbiter, stored


@pytest.mark.parametrize("written", ["r2\n", 'r" accept\n', "r 2", "R2", ""])
def test_a_stored_rule_that_is_none_is_not_enforced(
    context: Context, store: Store, plane: MadeUpPlane, owner: Actor, written: str
) -> None:
    """Starts a hub over a store in which a rule's id is text for the kernel's rules."""
    policies.add_rule(context, owner, Rule("r", Action.DENY, ANYONE, ANYONE))
    after_a_start = MadeUpPlane(), MadeUpDoor()
    make_arbiter(store, *after_a_start).restore(owner.organization_id)
    assert after_a_start[0].wanted == plane.wanted != {}
    with store.write() as transaction:
        transaction.execute(update(rules).values(id=written))
    plane, door = MadeUpPlane(), MadeUpDoor()
    with pytest.raises(Distrusted, match="a rule's id"):
        make_arbiter(store, plane, door).restore(owner.organization_id)
    assert (plane.wanted, door.admitted) == ({}, set())
    assert stored(store, owner) is not None
