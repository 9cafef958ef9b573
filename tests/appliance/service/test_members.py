"""Members of an organization: roles, removal, transfer and leaving."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from appliance.model.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated, WrongProof
from appliance.model.organization import Role
from appliance.service import Actor, Context, accounts, api_tokens, invitations, log_in, members, organizations
from tests.appliance.conftest import sign_up
from tests.appliance.members import PASSWORD, colleague, join, sign_in


def roles(context: Context, actor: Actor) -> dict[str, str]:
    found, _ = members.page(context, actor)
    return {member.email: member.role.value for member in found}


def latest(context: Context, actor: Actor) -> tuple[str, str]:
    entry = organizations.trail(context, actor)[0][0]
    return entry.actor, entry.action


def test_members_come_in_pages_of_one_organization(context: Context, owner: Actor) -> None:
    people = {owner.email, *(colleague(context, owner, Role.VIEWER).email for _ in range(4))}
    sign_up(context, "other@example.net")
    found, after = [], None
    while True:
        page, after = members.page(context, owner, after=after, limit=2)
        assert len(page) <= 2
        found += [member.email for member in page]
        if after is None:
            break
    assert len(found) == 5
    assert set(found) == people


def test_a_new_role_holds_from_the_next_request_on(context: Context, owner: Actor) -> None:
    token = join(context, owner.organization_id, Role.VIEWER)
    viewer = accounts.actor_of(context, token)
    changed = members.change_role(context, owner, viewer.member_id, "admin")
    assert changed.role is Role.ADMIN
    assert accounts.actor_of(context, token).role is Role.ADMIN
    assert latest(context, owner) == ("owner@example.net", "member.changed")
    with pytest.raises(Invalid):
        members.change_role(context, owner, viewer.member_id, "king")


def test_a_role_that_a_member_has_already_is_no_change(context: Context, owner: Actor) -> None:
    viewer = colleague(context, owner, Role.VIEWER)
    before = organizations.trail(context, owner)
    assert members.change_role(context, owner, viewer.member_id, "viewer").role is Role.VIEWER
    assert organizations.trail(context, owner) == before


@pytest.mark.parametrize("role", [Role.ADMIN, Role.VIEWER])
def test_only_owners_decide_about_people(context: Context, owner: Actor, role: Role) -> None:
    actor = colleague(context, owner, role)
    for wish in (
        lambda: members.change_role(context, actor, actor.member_id, "owner"),
        lambda: members.remove(context, actor, owner.member_id),
        lambda: members.transfer(context, actor, actor.member_id),
    ):
        with pytest.raises(Forbidden):
            wish()


def test_another_organization_s_members_can_t_be_changed(context: Context, owner: Actor) -> None:
    stranger = colleague(context, sign_up(context, "other@example.net"), Role.VIEWER)
    for wish in (
        lambda: members.get(context, owner, stranger.member_id),
        lambda: members.change_role(context, owner, stranger.member_id, "admin"),
        lambda: members.remove(context, owner, stranger.member_id),
        lambda: members.transfer(context, owner, stranger.member_id),
    ):
        with pytest.raises(NotFound):
            wish()


def test_a_removed_member_has_no_access_at_once(context: Context, owner: Actor) -> None:
    session = join(context, owner.organization_id, Role.ADMIN)
    admin = accounts.actor_of(context, session)
    issued = api_tokens.issue(context, admin, password=PASSWORD, name="ci", scope="write")
    members.remove(context, owner, admin.member_id)
    with pytest.raises(Unauthenticated):
        accounts.actor_of(context, session)
    with pytest.raises(Unauthenticated):
        api_tokens.holder(context, issued.text)
    assert roles(context, owner) == {owner.email: "owner"}
    assert latest(context, owner) == (owner.email, "member.removed")


def test_owners_can_t_remove_their_own_account_as_a_member(context: Context, owner: Actor) -> None:
    colleague(context, owner, Role.OWNER)
    with pytest.raises(Conflict, match="your own account"):
        members.remove(context, owner, owner.member_id)


def test_the_last_owner_stays_an_owner(context: Context, owner: Actor) -> None:
    colleague(context, owner, Role.ADMIN)
    for wish in (
        lambda: members.change_role(context, owner, owner.member_id, "viewer"),
        lambda: members.leave(context, owner, password=PASSWORD),
    ):
        with pytest.raises(Conflict, match="needs an owner"):
            wish()
    second = colleague(context, owner, Role.OWNER)
    members.change_role(context, owner, owner.member_id, "viewer")
    # What the demoted owner asked for before, with the role of then, is not done.
    with pytest.raises(Forbidden, match="role was changed"):
        members.change_role(context, owner, second.member_id, "admin")
    with pytest.raises(Forbidden, match="role was changed"):
        members.remove(context, owner, second.member_id)
    with pytest.raises(Conflict, match="needs an owner"):
        members.change_role(context, second, second.member_id, "admin")


def test_ownership_is_transferred_in_one_step(context: Context, owner: Actor) -> None:
    heir = colleague(context, owner, Role.VIEWER)
    assert members.transfer(context, owner, heir.member_id).role is Role.OWNER
    assert roles(context, owner) == {owner.email: "admin", heir.email: "owner"}
    assert latest(context, owner) == (owner.email, "organization.transferred")
    with pytest.raises(Conflict):
        members.transfer(context, owner, owner.member_id)


def test_who_hands_over_ownership_keeps_no_way_back(context: Context, owner: Actor) -> None:
    heir = colleague(context, owner, Role.ADMIN)
    link = invitations.invite(context, owner, email="second@example.net", role="owner").link
    assert link is not None
    members.transfer(context, owner, heir.member_id)
    with pytest.raises(NotFound):
        invitations.accept(context, token=link.rpartition("/")[2], password=PASSWORD)
    assert roles(context, heir) == {owner.email: "admin", heir.email: "owner"}


_ENDS: dict[str, Callable[[Context, Actor, Actor], object]] = {
    "admin": lambda context, owner, second: members.change_role(context, owner, second.member_id, "admin"),
    "viewer": lambda context, owner, second: members.change_role(context, owner, second.member_id, "viewer"),
    "removed": lambda context, owner, second: members.remove(context, owner, second.member_id),
    "gone": lambda context, _, second: members.leave(context, second, password=PASSWORD),
}
"""Ways in which an owner is one no more."""


@pytest.mark.parametrize("end", _ENDS.values(), ids=_ENDS)
def test_a_former_owner_s_invitations_are_revoked(
    context: Context, owner: Actor, end: Callable[[Context, Actor, Actor], object]
) -> None:
    second = colleague(context, owner, Role.OWNER)
    links = [
        invitations.invite(context, actor, email=email, role="owner").link
        for actor, email in ((second, "back@example.net"), (owner, "other@example.net"))
    ]
    end(context, owner, second)
    assert [each.email for each in invitations.pending(context, owner)] == ["other@example.net"]
    with pytest.raises(NotFound):
        invitations.offer(context, str(links[0]).rpartition("/")[2])


def test_leaving_needs_the_password_and_removes_the_account(context: Context, owner: Actor) -> None:
    colleague(context, owner, Role.OWNER)
    session = sign_in(context, owner.member_id)
    with pytest.raises(WrongProof) as refused:
        members.leave(context, owner, password="another one")
    assert refused.value.field == "password"
    members.leave(context, owner, password=PASSWORD)
    with pytest.raises(Unauthenticated):
        accounts.actor_of(context, session)
    with pytest.raises(Unauthenticated):
        log_in.log_in(context, email=owner.email, password=PASSWORD)
    # The address is free for another organization.
    assert sign_up(context, owner.email).organization_id != owner.organization_id


def test_two_owners_demoting_each_other_leave_one_owner(context: Context, owner: Actor) -> None:
    second = colleague(context, owner, Role.OWNER)
    together = Barrier(2)

    def demote(actor: Actor, other: Actor) -> bool:
        together.wait()
        try:
            members.change_role(context, actor, other.member_id, "viewer")
        except Forbidden:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(demote, (owner, second), (second, owner)))
    assert sorted(done) == [False, True]
    assert sorted(roles(context, owner).values()) == ["owner", "viewer"]
