"""Who belongs to an organization, in which role, and how they go."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from appliance.model.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated, WrongProof
from appliance.model.organization import Role
from appliance.service import Actor, Workplace, accounts, api_tokens, log_in, members, organizations
from tests.appliance.conftest import sign_up
from tests.appliance.members import PASSWORD, colleague, join, sign_in


def roles(workplace: Workplace, actor: Actor) -> dict[str, str]:
    found, _ = members.page(workplace, actor)
    return {member.email: member.role.value for member in found}


def latest(workplace: Workplace, actor: Actor) -> tuple[str, str]:
    entry = organizations.trail(workplace, actor)[0][0]
    return entry.actor, entry.action


def test_members_come_in_pages_and_are_one_organization_s(workplace: Workplace, owner: Actor) -> None:
    people = {owner.email, *(colleague(workplace, owner, Role.VIEWER).email for _ in range(4))}
    sign_up(workplace, "other@example.net")
    found, after = [], None
    while True:
        page, after = members.page(workplace, owner, after=after, limit=2)
        assert len(page) <= 2
        found += [member.email for member in page]
        if after is None:
            break
    assert len(found) == 5
    assert set(found) == people


def test_a_role_holds_from_the_next_request_on(workplace: Workplace, owner: Actor) -> None:
    token = join(workplace, owner.organization_id, Role.VIEWER)
    viewer = accounts.actor_of(workplace, token)
    changed = members.change_role(workplace, owner, viewer.member_id, "admin")
    assert changed.role is Role.ADMIN
    assert accounts.actor_of(workplace, token).role is Role.ADMIN
    assert latest(workplace, owner) == ("owner@example.net", "member.changed")
    with pytest.raises(Invalid):
        members.change_role(workplace, owner, viewer.member_id, "king")


@pytest.mark.parametrize("role", [Role.ADMIN, Role.VIEWER])
def test_only_owners_decide_about_people(workplace: Workplace, owner: Actor, role: Role) -> None:
    actor = colleague(workplace, owner, role)
    for wish in (
        lambda: members.change_role(workplace, actor, actor.member_id, "owner"),
        lambda: members.remove(workplace, actor, owner.member_id),
        lambda: members.transfer(workplace, actor, actor.member_id),
    ):
        with pytest.raises(Forbidden):
            wish()


def test_nobody_decides_about_another_organization_s_people(workplace: Workplace, owner: Actor) -> None:
    stranger = colleague(workplace, sign_up(workplace, "other@example.net"), Role.VIEWER)
    for wish in (
        lambda: members.get(workplace, owner, stranger.member_id),
        lambda: members.change_role(workplace, owner, stranger.member_id, "admin"),
        lambda: members.remove(workplace, owner, stranger.member_id),
        lambda: members.transfer(workplace, owner, stranger.member_id),
    ):
        with pytest.raises(NotFound):
            wish()


def test_who_is_removed_is_out_at_once(workplace: Workplace, owner: Actor) -> None:
    session = join(workplace, owner.organization_id, Role.ADMIN)
    admin = accounts.actor_of(workplace, session)
    issued = api_tokens.issue(workplace, admin, password=PASSWORD, name="ci", scope="write")
    members.remove(workplace, owner, admin.member_id)
    with pytest.raises(Unauthenticated):
        accounts.actor_of(workplace, session)
    with pytest.raises(Unauthenticated):
        api_tokens.holder(workplace, issued.text)
    assert roles(workplace, owner) == {owner.email: "owner"}
    assert latest(workplace, owner) == (owner.email, "member.removed")


def test_one_s_own_account_is_not_removed_by_accident(workplace: Workplace, owner: Actor) -> None:
    colleague(workplace, owner, Role.OWNER)
    with pytest.raises(Conflict, match="your own account"):
        members.remove(workplace, owner, owner.member_id)


def test_the_last_owner_stays_one(workplace: Workplace, owner: Actor) -> None:
    colleague(workplace, owner, Role.ADMIN)
    for wish in (
        lambda: members.change_role(workplace, owner, owner.member_id, "viewer"),
        lambda: members.leave(workplace, owner, password="correct horse battery"),
    ):
        with pytest.raises(Conflict, match="needs an owner"):
            wish()
    second = colleague(workplace, owner, Role.OWNER)
    members.change_role(workplace, owner, owner.member_id, "viewer")
    # What the demoted owner asked for before, with the role of then, is not done.
    with pytest.raises(Forbidden, match="role was changed"):
        members.change_role(workplace, owner, second.member_id, "admin")
    with pytest.raises(Forbidden, match="role was changed"):
        members.remove(workplace, owner, second.member_id)
    with pytest.raises(Conflict, match="needs an owner"):
        members.change_role(workplace, second, second.member_id, "admin")


def test_an_organization_changes_hands_in_one_step(workplace: Workplace, owner: Actor) -> None:
    heir = colleague(workplace, owner, Role.VIEWER)
    assert members.transfer(workplace, owner, heir.member_id).role is Role.OWNER
    assert roles(workplace, owner) == {owner.email: "admin", heir.email: "owner"}
    assert latest(workplace, owner) == (owner.email, "organization.transferred")
    with pytest.raises(Conflict):
        members.transfer(workplace, owner, owner.member_id)


def test_who_leaves_shows_the_password_and_has_no_account_any_more(workplace: Workplace, owner: Actor) -> None:
    colleague(workplace, owner, Role.OWNER)
    session = sign_in(workplace, owner.member_id)
    with pytest.raises(WrongProof) as refused:
        members.leave(workplace, owner, password="another one")
    assert refused.value.field == "password"
    members.leave(workplace, owner, password="correct horse battery")
    with pytest.raises(Unauthenticated):
        accounts.actor_of(workplace, session)
    with pytest.raises(Unauthenticated):
        log_in.at_once(workplace, email=owner.email, password="correct horse battery")
    # The address is free for another organization.
    assert sign_up(workplace, owner.email).organization_id != owner.organization_id


def test_two_owners_who_demote_each_other_leave_one(workplace: Workplace, owner: Actor) -> None:
    second = colleague(workplace, owner, Role.OWNER)
    together = Barrier(2)

    def demote(actor: Actor, other: Actor) -> bool:
        together.wait()
        try:
            members.change_role(workplace, actor, other.member_id, "viewer")
        except Forbidden:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(demote, (owner, second), (second, owner)))
    assert sorted(done) == [False, True]
    assert sorted(roles(workplace, owner).values()) == ["owner", "viewer"]
