"""An operator's view of organizations, and the entries that tell their people of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pyotp
import pytest

from appliance.model.errors import Conflict, Invalid, NotFound, Unauthenticated
from appliance.model.sign_up import SignUpMode
from appliance.service import (
    Actor,
    Context,
    accounts,
    invitations,
    machines,
    operator_sessions,
    operators,
    organizations,
    oversight,
)
from appliance.service import permits as permits_service
from appliance.service.operator_sessions import SignedOperator
from appliance.service.operators import Enrolled
from appliance.service.sessions import NOWHERE
from appliance.store import operations, permits
from tests.appliance.clocks import WallClock
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub
from tests.appliance.members import OPERATORS_PASSWORD

EMAIL = "ops@example.net"


@pytest.fixture
def context(context: Context, clock: WallClock) -> Context:
    return replace(context, clock=clock)


@pytest.fixture
def enrolled(context: Context) -> Enrolled:
    """Provides an operator who has just been set up."""
    token = operators.add(context, EMAIL).rpartition("/")[2]
    phone = pyotp.TOTP(operators.propose(context, token, OPERATORS_PASSWORD).secret)
    return operators.enrol(context, token, phone.at(context.clock()), NOWHERE)


@pytest.fixture
def who(context: Context, enrolled: Enrolled) -> SignedOperator:
    """Provides a signed-in operator."""
    return operator_sessions.holder(context, enrolled.session.token)


@pytest.fixture
def codes(enrolled: Enrolled) -> Iterator[str]:
    """Provides codes that were not used yet."""
    return iter(enrolled.codes)


def trail(context: Context, owner: Actor) -> list[tuple[str, str]]:
    """Lists the organization's entries by the operator."""
    entries, _ = organizations.trail(context, owner)
    return [(each.actor, each.action) for each in entries if each.actor == "operator"]


def acts(context: Context) -> list[tuple[str, str]]:
    return [(each.user, each.action) for each in oversight.log(context, 20)]


def test_organizations_are_listed_with_their_size(context: Context, owner: Actor) -> None:
    machines.add(context, owner, name="mumbai")
    (found,), following = oversight.page(context)
    summary = found.summary
    assert (summary.id, summary.machines, summary.members, found.rules) == (owner.organization_id, 1, 1, 0)
    assert found.stored_bytes > 0
    assert (found.changed_at, following) == (context.clock(), None)


def test_a_search_takes_part_of_a_name_or_an_id(context: Context, owner: Actor) -> None:
    sign_up(context, "other@example.net")
    organizations.change(context, owner, name="100% Über_Mesh")
    for query in ("ber_m", "100%", owner.organization_id, " MESH "):
        found, _ = oversight.page(context, query=query)
        assert [each.summary.id for each in found] == [owner.organization_id], query
    for query in ("%%", "r.m", owner.organization_id[:5]):
        assert oversight.page(context, query=query)[0] == []
    with pytest.raises(Invalid):
        oversight.page(context, query="m" * (oversight.LONGEST_QUERY + 1))


def test_pages_have_each_organization_once(context: Context) -> None:
    # All of one moment: the id tells them apart.
    made = [sign_up(context, f"{number}@example.net").organization_id for number in range(5)]
    seen: list[str] = []
    after: str | None = None
    for _ in range(9):
        found, after = oversight.page(context, after=after, limit=2)
        seen += [each.summary.id for each in found]
        if after is None:
            break
    assert sorted(seen) == sorted(made)


def test_a_look_is_in_the_trail_once_an_hour(
    context: Context, owner: Actor, who: SignedOperator, clock: WallClock
) -> None:
    oversight.page(context)
    assert trail(context, owner) == []
    for _ in range(3):
        assert oversight.look(context, who, owner.organization_id).summary.name == "acme-networks"
    assert trail(context, owner) == [("operator", operations.VIEWED)]
    assert acts(context).count((EMAIL, operations.VIEWED)) == 1
    clock.wait(timedelta(minutes=29))
    operator_sessions.holder(context, who.token)
    clock.wait(timedelta(minutes=29))
    operator_sessions.holder(context, who.token)
    clock.wait(timedelta(minutes=3))
    oversight.look(context, who, owner.organization_id)
    assert len(trail(context, owner)) == 2


def test_nobody_of_the_organization_learns_who_looked(
    context: Context, owner: Actor, who: SignedOperator, codes: Iterator[str]
) -> None:
    oversight.look(context, who, owner.organization_id)
    oversight.suspend(context, who, owner.organization_id, code=next(codes))
    oversight.resume(context, who, owner.organization_id, code=next(codes))
    oversight.invite(context, who, owner.organization_id, email="new@example.net", role="viewer", code=next(codes))
    entries, _ = organizations.trail(context, owner)
    assert EMAIL not in str(entries)
    assert [action for _, action in trail(context, owner)] == [
        "member.invited", "organization.resumed", "organization.suspended", "organization.viewed",
    ]  # fmt: skip


def test_the_log_of_operations_tells_who_but_not_on_whom(
    context: Context, owner: Actor, who: SignedOperator, codes: Iterator[str]
) -> None:
    oversight.suspend(context, who, owner.organization_id, code=next(codes))
    oversight.invite_sign_up(context, who, None)
    assert acts(context)[:2] == [(EMAIL, operations.SIGN_UP_INVITED), (EMAIL, operations.SUSPENDED)]
    assert owner.organization_id not in str(oversight.log(context, 20))


def token_of(link: str) -> str:
    return link.rpartition("=")[2]


def enter(context: Context, link: str) -> None:
    accounts.sign_up(
        context, email="new@example.net", password="a good password", organization="new", link=token_of(link)
    )


def test_a_revoked_link_to_sign_up_leads_nowhere(context: Context, who: SignedOperator) -> None:
    first = oversight.invite_sign_up(context, who, "asha@example.net")
    second = oversight.invite_sign_up(context, who, None)
    links, count = oversight.sign_up_links(context)
    assert (count, {(each.email, each.made_by) for each in links}) == (2, {("asha@example.net", EMAIL), (None, EMAIL)})
    assert {each.expires_at for each in links} == {context.clock() + timedelta(days=7)}
    assert token_of(second) not in str(links)
    open_to_any = next(each for each in links if each.email is None)
    oversight.revoke_sign_up(context, who, open_to_any.id)
    assert acts(context)[0] == (EMAIL, operations.SIGN_UP_REVOKED)
    with pytest.raises(NotFound):
        enter(context, second)
    with pytest.raises(NotFound):
        oversight.revoke_sign_up(context, who, open_to_any.id)
    assert acts(context).count((EMAIL, operations.SIGN_UP_REVOKED)) == 1
    (left,), count = oversight.sign_up_links(context)
    assert (left.email, count) == ("asha@example.net", 1)
    with pytest.raises(Invalid, match="another e-mail address"):
        enter(context, first)


def test_a_link_that_is_revoked_during_a_sign_up_founds_nothing(
    context: Context, who: SignedOperator, hub: FakeHub
) -> None:
    link = oversight.invite_sign_up(context, who, None)
    (made,), _ = oversight.sign_up_links(context)
    create_keys = hub.create_keys

    def revoke_meanwhile(organization: str) -> object:
        oversight.revoke_sign_up(context, who, made.id)
        return create_keys(organization)

    hub.create_keys = revoke_meanwhile  # type: ignore[method-assign, assignment]
    with pytest.raises(NotFound):
        enter(context, link)
    assert not hub.enforced
    assert oversight.page(context) == ([], None)


def test_a_letter_s_link_is_no_operator_s(context: Context, who: SignedOperator) -> None:
    """It is somebody's who asked for it, ends after a day, and no operator knows of it."""
    permits_service.ask(replace(context, sign_up=SignUpMode.VERIFIED, sends_mail=True), "asha@example.net")
    assert oversight.sign_up_links(context) == ([], 0)
    with context.store.write() as transaction:
        assert permits_service.revoke_all_within(context, transaction) == 0
    with context.store.read() as transaction:
        assert permits.count(transaction) == 1
    assert who


def test_a_removed_operator_s_links_lead_nowhere(context: Context, who: SignedOperator) -> None:
    link = oversight.invite_sign_up(context, who, None)
    other = permits_service.invite(context, made_by="root")
    operators.remove(context, EMAIL)
    with pytest.raises(NotFound):
        enter(context, link)
    enter(context, other)


def test_a_removed_operator_s_invitations_lead_nowhere(
    context: Context, owner: Actor, who: SignedOperator, codes: Iterator[str]
) -> None:
    theirs = oversight.invite(
        context, who, owner.organization_id, email="thief@example.net", role="owner", code=next(codes)
    )
    others = [
        invitations.invite(context, actor, email=f"{actor.name}@example.org", role="viewer")
        for actor in (replace(owner, email="owner"), Actor.operator(owner.organization_id))
    ]
    operators.remove(context, EMAIL)
    assert theirs.link
    with pytest.raises(NotFound):
        invitations.offer(context, theirs.link.rpartition("/")[2])
    assert {each.id for each in invitations.pending(context, owner)} == {each.invitation.id for each in others}
    latest = organizations.trail(context, owner)[0][0]
    assert (latest.actor, latest.action) == ("operator", "invitation.revoked")
    assert latest.detail == {"member": "thief@example.net", "role": "owner"}


def test_an_operator_takes_only_own_invitations_back(
    context: Context, owner: Actor, who: SignedOperator, codes: Iterator[str]
) -> None:
    operator = Actor.operator(owner.organization_id)
    invitations.invite(context, owner, email="theirs@example.net", role="viewer")
    invitations.invite(context, operator, email="by-command@example.net", role="viewer")
    oversight.invite(context, who, owner.organization_id, email="by-page@example.net", role="viewer", code=next(codes))
    for address in ("by-command@example.net", "By-Page@Example.net"):
        invitations.take_back(context, operator, address)
        with pytest.raises(NotFound):
            invitations.take_back(context, operator, address)
    with pytest.raises(NotFound):
        invitations.take_back(context, operator, "theirs@example.net")
    assert [each.email for each in invitations.pending(context, owner)] == ["theirs@example.net"]
    assert trail(context, owner)[0] == ("operator", "invitation.revoked")
    # It can be made anew, when its link was lost.
    assert invitations.invite(context, operator, email="by-command@example.net", role="viewer").link


def test_old_links_and_used_ones_are_not_listed(context: Context, who: SignedOperator, clock: WallClock) -> None:
    enter(context, oversight.invite_sign_up(context, who, None))
    oversight.invite_sign_up(context, who, None)
    clock.wait(timedelta(days=6))
    permits_service.invite(context, made_by="root")
    assert oversight.sign_up_links(context)[1] == 2
    clock.wait(timedelta(days=1, seconds=1))
    assert oversight.sign_up_links(context)[1] == 1


def test_the_newest_of_many_links_are_listed(
    context: Context, who: SignedOperator, clock: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oversight, "MOST_LINKS", 2)
    for number in range(3):
        clock.wait()
        oversight.invite_sign_up(context, who, f"{number}@example.net")
    links, count = oversight.sign_up_links(context)
    assert ([each.email for each in links], count) == (["2@example.net", "1@example.net"], 3)


def test_a_suspension_is_enforced_and_taken_back(
    context: Context, owner: Actor, who: SignedOperator, codes: Iterator[str], hub: FakeHub
) -> None:
    oversight.suspend(context, who, owner.organization_id, code=next(codes))
    assert owner.organization_id not in hub.enforced
    assert oversight.look(context, who, owner.organization_id).summary.suspended_at is not None
    with pytest.raises(Conflict):
        oversight.suspend(context, who, owner.organization_id, code=next(codes))
    oversight.resume(context, who, owner.organization_id, code=next(codes))
    assert owner.organization_id in hub.enforced


def test_an_operator_who_is_removed_meanwhile_changes_nothing(
    context: Context, owner: Actor, who: SignedOperator, codes: Iterator[str], hub: FakeHub
) -> None:
    permits_service.invite(context, made_by="root")
    (link,), _ = oversight.sign_up_links(context)
    operators.remove(context, EMAIL)
    for call in (
        lambda: oversight.suspend(context, who, owner.organization_id, code=next(codes)),
        lambda: oversight.look(context, who, owner.organization_id),
        lambda: oversight.invite(
            context, who, owner.organization_id, email="new@example.net", role="owner", code=next(codes)
        ),
        lambda: oversight.invite_sign_up(context, who, None),
        lambda: oversight.revoke_sign_up(context, who, link.id),
    ):
        with pytest.raises(Unauthenticated):
            call()
    with context.store.read() as transaction:
        assert permits.count(transaction) == 1
    assert operations.SIGN_UP_INVITED not in [action for _, action in acts(context)]
    assert owner.organization_id in hub.enforced
    assert trail(context, owner) == []


def test_the_log_of_operations_is_bounded(
    context: Context, owner: Actor, who: SignedOperator, codes: Iterator[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oversight, "LOG_ENTRIES", 3)
    assert oversight.tidy_log(context) == 0
    for _ in range(2):
        oversight.suspend(context, who, owner.organization_id, code=next(codes))
        oversight.resume(context, who, owner.organization_id, code=next(codes))
    assert oversight.tidy_log(context) == 2
    assert [action for _, action in acts(context)] == [
        operations.RESUMED, operations.SUSPENDED, operations.RESUMED,
    ]  # fmt: skip


def test_what_does_not_exist_is_not_found(context: Context, who: SignedOperator, codes: Iterator[str]) -> None:
    for call in (
        lambda: oversight.look(context, who, "nowhere"),
        lambda: oversight.suspend(context, who, "nowhere", code=next(codes)),
        lambda: oversight.invite(context, who, "nowhere", email="new@example.net", role="owner", code=next(codes)),
    ):
        with pytest.raises(NotFound):
            call()


def test_facts_of_the_store_are_of_this_database(context: Context, owner: Actor) -> None:
    machines.add(context, owner, name="mumbai")
    facts = oversight.store_facts(context)
    assert facts.kind == ("SQLite" if context.store.is_sqlite else "PostgreSQL")
    assert facts.bytes > 10_000
    assert (facts.ports, facts.most_ports) == (1, 12_768)
    assert (facts.free is not None) == context.store.is_sqlite
    assert (facts.is_newest, facts.machines, facts.unused, facts.letters) == (True, 1, 1, 0)
