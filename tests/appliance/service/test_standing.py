"""A change must not commit if its actor lost the right to it while it waited."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyotp
import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.exc import OperationalError

from appliance.model.errors import NotFound, Unauthenticated
from appliance.model.organization import Role
from appliance.service import Actor, Context, accounts, api_tokens, enrolment, invitations, log_in, machines, members
from appliance.service.recording import recording
from appliance.store import schema, second_factors
from tests.appliance.databases import on_postgresql
from tests.appliance.members import NEW_PASSWORD, PASSWORD, colleague

ENDS: dict[str, Callable[[Context, Actor, Actor], object]] = {
    "removed": lambda w, owner, other: members.remove(w, owner, other.member_id),
    "no owner any more": lambda w, owner, other: members.change_role(w, owner, other.member_id, "admin"),
    "gone": lambda w, _, other: members.leave(w, other, password=PASSWORD),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_invitations_end_when_their_author_may_not_invite(
    context: Context, owner: Actor, end: Callable[[Context, Actor, Actor], object]
) -> None:
    other = colleague(context, owner, Role.OWNER)
    theirs = invitations.invite(context, other, email="again@example.net", role="owner").link
    ours = invitations.invite(context, owner, email="ravi@example.net", role="viewer")
    end(context, owner, other)
    assert theirs is not None
    with pytest.raises(NotFound):
        invitations.accept(context, token=theirs.rpartition("/")[2], password=NEW_PASSWORD)
    assert invitations.pending(context, owner) == [ours.invitation]


@on_postgresql
def test_a_log_in_and_a_factor_change_don_t_deadlock(context: Context, owner: Actor, database: str) -> None:
    """Locks the organization before the code in both; in different orders, each would hold what the other waits for."""
    secret = enrolment.propose(context, owner, password=PASSWORD).secret
    now = context.clock()
    code = pyotp.TOTP(secret).at(now)
    made = enrolment.enable(replace(context, clock=lambda: now), owner, code=code)
    present = accounts.actor_of(context, made.session.token)
    engine = create_engine(database)
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    with ThreadPoolExecutor(1) as pool, engine.connect().execution_options(isolation_level="AUTOCOMMIT") as watch:
        with recording(context, present) as record:
            logging_in = pool.submit(log_in.log_in, context, email=owner.email, password=PASSWORD, code=made.codes[0])
            while not watch.execute(waiting).scalar_one() and not logging_in.done():
                pass
            second_factors.remove(record.transaction, owner.member_id)
            record.leave_no_entry()
        with pytest.raises(Unauthenticated):
            logging_in.result()


@on_postgresql
@pytest.mark.parametrize("with_token", [False, True])
def test_a_credential_does_not_end_before_its_change_commits(
    context: Context, owner: Actor, database: str, with_token: bool
) -> None:
    """Ends a session while its change commits: nothing commits after the end was answered."""
    actor = owner
    table = schema.sessions
    if with_token:
        token = api_tokens.issue(context, owner, password=PASSWORD, name="ci", scope="write").text
        actor, table = api_tokens.holder(context, token), schema.api_tokens
    machines.add(context, actor, name="one")
    mine = select(table).where(table.c.member_id == owner.member_id).with_for_update(nowait=True)
    engine = create_engine(database)
    with recording(context, actor) as record, engine.connect() as other:
        record.leave_no_entry()
        with pytest.raises(OperationalError, match="lock"):
            other.execute(mine)
    with engine.connect() as other:
        assert other.execute(mine).all()
