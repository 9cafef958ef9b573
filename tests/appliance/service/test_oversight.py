"""An operator's view of organizations, and the entries that tell their people of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pyotp
import pytest

from appliance.model.errors import Conflict, Invalid, NotFound, Unauthenticated
from appliance.service import Actor, Context, machines, operator_sessions, operators, organizations, oversight
from appliance.service.operator_sessions import SignedOperator
from appliance.service.operators import Enrolled
from appliance.service.sessions import NOWHERE
from appliance.store import operations, permits
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub
from tests.appliance.service.clock import Clock

EMAIL = "ops@example.net"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def context(context: Context, clock: Clock) -> Context:
    return replace(context, clock=lambda: clock.now)


@pytest.fixture
def enrolled(context: Context) -> Enrolled:
    """Provides an operator who has just been set up."""
    token = operators.add(context, EMAIL).rpartition("/")[2]
    phone = pyotp.TOTP(operators.propose(context, token, "an operator's own words").secret)
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


def test_a_look_is_in_the_trail_once_an_hour(context: Context, owner: Actor, who: SignedOperator, clock: Clock) -> None:
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
    operators.remove(context, EMAIL)
    for call in (
        lambda: oversight.suspend(context, who, owner.organization_id, code=next(codes)),
        lambda: oversight.look(context, who, owner.organization_id),
        lambda: oversight.invite(
            context, who, owner.organization_id, email="new@example.net", role="owner", code=next(codes)
        ),
        lambda: oversight.invite_sign_up(context, who, None),
    ):
        with pytest.raises(Unauthenticated):
            call()
    with context.store.read() as transaction:
        assert permits.count(transaction) == 0
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
    assert (facts.is_newest, facts.machines, facts.unused, facts.letters) == (True, 1, 1, 0)
