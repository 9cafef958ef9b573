"""API tokens: scope, lifetime and revocation."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from appliance.model.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from appliance.model.organization import Role
from appliance.service import Actor, Context, api_tokens, machines, members, organizations, tokens
from appliance.service.api_tokens import IssuedToken
from appliance.store import schema
from tests.appliance.clocks import after
from tests.appliance.conftest import sign_up
from tests.appliance.members import PASSWORD, colleague


def issue(context: Context, actor: Actor, *, name: str = "ci", scope: str = "read", days: int = 90) -> IssuedToken:
    return api_tokens.issue(context, actor, password=PASSWORD, name=name, scope=scope, days=days)


def test_a_token_is_shown_once_and_stored_as_a_hash(context: Context, owner: Actor) -> None:
    issued = issue(context, owner, name="ci", scope="write")
    assert issued.text.startswith("mwt_")
    assert issued.text not in repr(issued)
    with context.store.read() as transaction:
        row = transaction.execute(schema.api_tokens.select()).one()
    assert row.token_hash == tokens.hash_of(issued.text)
    assert issued.text not in repr(row)
    actor = api_tokens.holder(context, issued.text)
    assert (actor.organization_id, actor.member_id, actor.role) == (owner.organization_id, owner.member_id, Role.OWNER)


def test_the_trail_names_the_token(context: Context, owner: Actor) -> None:
    actor = api_tokens.holder(context, issue(context, owner, name="ci", scope="write").text)
    machines.add(context, actor, name="one")
    added, issued = organizations.trail(context, owner)[0][:2]
    assert (added.actor, added.action) == ("owner@example.net (token ci)", "machine.added")
    assert (issued.action, issued.detail) == (
        "token.issued",
        {"token": "ci", "scope": "write", "days": 90, "address": ""},
    )


def test_a_token_reads_or_writes_and_never_manages(context: Context, owner: Actor) -> None:
    reader = api_tokens.holder(context, issue(context, owner, name="r", scope="read").text)
    writer = api_tokens.holder(context, issue(context, owner, name="w", scope="write").text)
    machines.page(context, reader)
    with pytest.raises(Forbidden, match="for read"):
        machines.add(context, reader, name="one")
    machines.add(context, writer, name="one")
    for actor in (reader, writer):
        with pytest.raises(Forbidden, match="sign in"):
            organizations.change(context, actor, name="ours")
        with pytest.raises(Forbidden, match="sign in"):
            members.transfer(context, actor, owner.member_id)


def test_a_token_can_do_no_more_than_its_member_can_now(context: Context, owner: Actor) -> None:
    admin = colleague(context, owner, Role.ADMIN)
    text = issue(context, admin, name="ci", scope="write").text
    members.change_role(context, owner, admin.member_id, "viewer")
    with pytest.raises(Forbidden):
        machines.add(context, api_tokens.holder(context, text), name="one")
    viewer = colleague(context, owner, Role.VIEWER)
    with pytest.raises(Forbidden):
        issue(context, viewer, name="ci", scope="write")
    assert issue(context, viewer, name="ci", scope="read")


def test_a_token_expires(context: Context, owner: Actor) -> None:
    text = issue(context, owner, name="ci", scope="read", days=2).text
    api_tokens.holder(after(context, timedelta(days=1, hours=23)), text)
    with pytest.raises(Unauthenticated):
        api_tokens.holder(after(context, timedelta(days=2, seconds=1)), text)


def test_a_token_s_last_use_is_recorded_to_the_minute(context: Context, owner: Actor) -> None:
    text = issue(context, owner, name="ci", scope="read").text
    start = context.clock()

    def last_used(waited: timedelta) -> timedelta | None:
        api_tokens.holder(replace(context, clock=lambda: start + waited), text)
        (token,), _ = api_tokens.page(context, owner)
        return None if token.last_used_at is None else token.last_used_at - start

    assert api_tokens.page(context, owner)[0][0].last_used_at is None
    first = last_used(timedelta(seconds=1))
    assert first is not None
    assert last_used(timedelta(seconds=40)) == first
    assert last_used(timedelta(seconds=90)) != first


def test_members_list_their_own_tokens_and_owners_all(context: Context, owner: Actor) -> None:
    admin = colleague(context, owner, Role.ADMIN)
    mine = issue(context, owner, name="ci", scope="read").token
    theirs = issue(context, admin, name="ci", scope="read").token
    assert {token.id for token in api_tokens.page(context, owner)[0]} == {mine.id, theirs.id}
    assert [token.id for token in api_tokens.page(context, admin)[0]] == [theirs.id]
    first, following = api_tokens.page(context, owner, limit=1)
    second, end = api_tokens.page(context, owner, after=following, limit=1)
    assert {token.id for token in (*first, *second)} == {mine.id, theirs.id}
    assert end is None
    with pytest.raises(NotFound):
        api_tokens.revoke(context, admin, mine.id)
    with pytest.raises(NotFound):
        api_tokens.revoke(context, sign_up(context, "other@example.net"), mine.id)
    api_tokens.revoke(context, owner, theirs.id)
    assert api_tokens.page(context, admin)[0] == []


def test_a_revoked_token_is_refused_at_once(context: Context, owner: Actor) -> None:
    issued = issue(context, owner, name="ci", scope="read")
    api_tokens.revoke(context, owner, issued.token.id)
    with pytest.raises(Unauthenticated):
        api_tokens.holder(context, issued.text)


@pytest.mark.parametrize(
    ("name", "scope", "days"),
    [
        ("", "read", 1),
        ("x" * 64, "read", 1),
        ("a\nb", "read", 1),
        ("a", "all", 1),
        ("a", "read", 0),
        ("a", "read", 367),
    ],
)
def test_tokens_with_invalid_values_are_refused(
    context: Context, owner: Actor, name: str, scope: str, days: int
) -> None:
    with pytest.raises(Invalid):
        issue(context, owner, name=name, scope=scope, days=days)


def test_token_names_are_unique_per_member_and_bounded_in_number(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue(context, owner, name="ci", scope="read")
    with pytest.raises(Conflict):
        issue(context, owner, name="ci", scope="write")
    monkeypatch.setattr(api_tokens, "MOST_PER_MEMBER", 1)
    with pytest.raises(Conflict, match="the most"):
        issue(context, owner, name="other", scope="read")
