"""What somebody who was removed left behind lets nobody in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from appliance.model.errors import NotFound
from appliance.model.organization import Role
from appliance.service import Actor, Workplace, api_tokens, invitations, machines, members
from appliance.service.workplace import recording
from appliance.store import schema
from tests.appliance.databases import on_postgresql
from tests.appliance.members import PASSWORD, colleague

ENDS: dict[str, Callable[[Workplace, Actor, Actor], object]] = {
    "removed": lambda w, owner, other: members.remove(w, owner, other.member_id),
    "no owner any more": lambda w, owner, other: members.change_role(w, owner, other.member_id, "admin"),
    "gone": lambda w, _, other: members.leave(w, other, password=PASSWORD),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_invitations_end_with_the_right_to_make_them(
    workplace: Workplace, owner: Actor, end: Callable[[Workplace, Actor, Actor], object]
) -> None:
    other = colleague(workplace, owner, Role.OWNER)
    theirs = invitations.invite(workplace, other, email="again@example.net", role="owner").link
    ours = invitations.invite(workplace, owner, email="ravi@example.net", role="viewer")
    end(workplace, owner, other)
    assert theirs is not None
    with pytest.raises(NotFound):
        invitations.accept(workplace, token=theirs.rpartition("/")[2], password="a password of their own")
    assert invitations.pending(workplace, owner) == [ours.invitation]


@on_postgresql
@pytest.mark.parametrize("with_token", [False, True])
def test_nobody_ends_what_a_change_came_with_before_it_commits(
    workplace: Workplace, owner: Actor, with_token: bool
) -> None:
    """Whoever is told that a session has ended can rely on it: nothing of it commits after that."""
    actor = owner
    table = schema.sessions
    if with_token:
        text = api_tokens.issue(workplace, owner, password=PASSWORD, name="ci", scope="write").text
        actor, table = api_tokens.holder(workplace, text), schema.api_tokens
    machines.add(workplace, actor, name="one")
    mine = select(table).where(table.c.member_id == owner.member_id).with_for_update(nowait=True)
    engine = workplace.store._engine
    with recording(workplace, actor), engine.connect() as other, pytest.raises(OperationalError, match="lock"):
        other.execute(mine)
    with engine.connect() as other:
        assert other.execute(mine).all()
