"""Removal of a lost second factor after three days, with letters to the person and the owners, and ways to stop it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pyotp
import pytest

from appliance.languages import formats
from appliance.model.errors import Conflict, NotFound, Unauthenticated
from appliance.model.letters import Letter
from appliance.model.organization import Role
from appliance.service import (
    Actor,
    Context,
    accounts,
    enrolment,
    factor_removals,
    members,
    organizations,
    second_factor,
    setbacks,
    suspension,
)
from appliance.store import instance, mail
from appliance.store.instance import Instance
from appliance.vault import Lock
from appliance.web import cleanup
from tests.appliance.clocks import WallClock
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD, again, colleague
from tests.appliance.service.letters.conftest import EMAIL, SITE
from tests.appliance.service.letters.removals import actions, is_open

HOUR = timedelta(hours=1)
MOMENT = timedelta(seconds=1)


@pytest.mark.usefixtures("phone")
def test_a_removal_takes_effect_after_three_days(context: Context, owner: Actor, clock: WallClock) -> None:
    begun = factor_removals.begin(context, f" {EMAIL.upper()} ")
    assert begun.due_at - clock.now == timedelta(hours=72)
    clock.now = begun.due_at - MOMENT
    assert factor_removals.finish_due(context) == 0
    assert not is_open(context)
    clock.now = begun.due_at
    assert factor_removals.finish_due(context) == 1
    assert is_open(context)
    assert not second_factor.state(context, owner).enabled
    assert factor_removals.finish_due(context) == 0
    assert actions(context, owner) == [("factor-removal.begun", "operator"), ("factor-removal.done", "operator")]
    (done, *_) = (
        entry.detail for entry in organizations.trail(context, owner)[0] if entry.action == factor_removals.DONE
    )
    assert done == {"person": EMAIL, "second_factor_removed": True, "passkeys_removed": 0}


@pytest.mark.usefixtures("phone")
def test_a_removal_ends_every_session(context: Context, owner: Actor, clock: WallClock) -> None:
    session = again(context, owner)
    factor_removals.begin(context, EMAIL)
    assert accounts.member_of(context, session)
    clock.wait(factor_removals.DELAY)
    factor_removals.finish_due(context)
    with pytest.raises(Unauthenticated):
        organizations.change(context, session, name="mine")


@pytest.mark.usefixtures("phone")
def test_person_and_owners_get_letters_at_begin_and_end(
    context: Context, owner: Actor, clock: WallClock, arrived: Callable[[], list[Letter]]
) -> None:
    second_owner = colleague(context, owner, Role.OWNER)
    colleague(context, owner, Role.ADMIN)
    begun = factor_removals.begin(context, EMAIL)
    told = arrived()
    assert {letter.recipient for letter in told} == {EMAIL, second_owner.email}
    for letter in told:
        assert f"Takes effect: {formats.moment(begun.due_at)}\n" in letter.text
        assert f"Account: {EMAIL}\n" in letter.text
        assert f"{SITE}/login?next=/settings/people\n" in letter.text
    clock.now = begun.due_at
    factor_removals.finish_due(context)
    told = arrived()
    assert {letter.recipient for letter in told} == {EMAIL, second_owner.email}
    assert all("were removed" in letter.text and f"{SITE}/forgotten\n" in letter.text for letter in told)


@pytest.mark.usefixtures("phone")
def test_a_person_without_the_owner_role_gets_letters_too(
    context: Context, owner: Actor, clock: WallClock, arrived: Callable[[], list[Letter]]
) -> None:
    viewer = colleague(context, owner, Role.VIEWER)
    quiet = replace(context, sends_mail=False)
    made = pyotp.TOTP(enrolment.propose(quiet, viewer, password=PASSWORD).secret)
    enrolment.enable(quiet, viewer, code=made.at(clock.now))
    factor_removals.begin(context, viewer.email)
    assert {letter.recipient for letter in arrived()} == {EMAIL, viewer.email}


@pytest.mark.usefixtures("phone")
def test_beginning_a_removal_again_keeps_its_time(context: Context, owner: Actor, clock: WallClock) -> None:
    begun = factor_removals.begin(context, EMAIL)
    clock.wait(HOUR)
    with pytest.raises(Conflict, match=f"{begun.due_at:%Y-%m-%d %H:%M} UTC"):
        factor_removals.begin(context, EMAIL)
    assert factor_removals.own(context, owner) == begun


@pytest.mark.usefixtures("phone")
def test_a_clock_that_is_behind_makes_no_removal_earlier(context: Context, clock: WallClock) -> None:
    """Begins a removal on a host whose clock is set only after its start: the wrong time does not count."""
    right = clock.now
    clock.now = right - timedelta(days=3650)
    begun = factor_removals.begin(context, EMAIL)
    clock.now = right
    assert factor_removals.finish_due(context) == 0
    # The last entry of the trail is as old as the set-up of the second factor.
    assert begun.due_at >= right + factor_removals.DELAY - timedelta(minutes=1)
    clock.now = begun.due_at - HOUR
    assert factor_removals.finish_due(context) == 0
    clock.now = begun.due_at
    assert factor_removals.finish_due(context) == 1


@pytest.mark.usefixtures("phone")
def test_a_clock_set_back_and_forth_makes_no_removal_earlier(context: Context, clock: WallClock) -> None:
    with context.store.write() as transaction:
        instance.create(transaction, Instance("abc", Lock(b"s" * 16, 2, 8, 1, b"p")))
    begun = factor_removals.begin(context, EMAIL)
    right = clock.now
    for boot, now in (("one", right), ("one", right - timedelta(days=3650)), ("two", right - timedelta(days=3650))):
        clock.now = now
        setbacks.settle(context, lambda: 0.0, lambda name=boot: name)  # type: ignore[misc]
    clock.now = begun.due_at - MOMENT
    setbacks.settle(context, lambda: 0.0, lambda: "two")
    assert factor_removals.finish_due(context) == 0
    clock.now = begun.due_at
    assert factor_removals.finish_due(context) == 1


@pytest.mark.usefixtures("phone")
def test_a_clock_set_forward_makes_no_removal_earlier(context: Context, clock: WallClock) -> None:
    factor_removals.begin(context, EMAIL)
    right = clock.now
    clock.now = right + 10 * factor_removals.DELAY
    assert factor_removals.finish_due(replace(context, removal_clock=lambda: right)) == 0
    assert factor_removals.finish_due(context) == 1


@pytest.mark.usefixtures("phone")
def test_a_removal_waits_while_nobody_could_stop_it(context: Context, owner: Actor, clock: WallClock) -> None:
    factor_removals.begin(context, EMAIL)
    suspension.suspend(context, Actor.operator(owner.organization_id))
    clock.wait(2 * factor_removals.DELAY)
    assert factor_removals.finish_due(context) == 0
    suspension.resume(context, Actor.operator(owner.organization_id))
    assert factor_removals.finish_due(context) == 0
    (waits,) = factor_removals.waiting(context, again(context, owner))
    assert waits.due_at == clock.now + factor_removals.DELAY
    suspension.suspend(context, Actor.operator(owner.organization_id))
    factor_removals.stop_as_operator(context, EMAIL)
    with pytest.raises(Conflict, match="suspended"):
        factor_removals.begin(context, EMAIL)
    suspension.resume(context, Actor.operator(owner.organization_id))
    factor_removals.begin(context, EMAIL)
    clock.wait(factor_removals.DELAY)
    assert factor_removals.finish_due(context) == 1


def test_a_removal_without_a_second_factor_is_refused(context: Context, owner: Actor) -> None:
    for email, refusal in ((EMAIL, Conflict), ("nobody@example.net", NotFound)):
        with pytest.raises(refusal):
            factor_removals.begin(context, email)
    # A secret of which no code was shown is no second factor.
    enrolment.propose(replace(context, sends_mail=False), owner, password=PASSWORD)
    with pytest.raises(Conflict):
        factor_removals.begin(context, EMAIL)
    assert actions(context, owner) == []


@pytest.mark.usefixtures("phone")
def test_a_member_s_removal_also_removes_the_pending_one(context: Context, owner: Actor, clock: WallClock) -> None:
    second_owner = colleague(context, owner, Role.OWNER)
    factor_removals.begin(context, EMAIL)
    members.remove(context, second_owner, owner.member_id)
    assert factor_removals.waiting(context, second_owner) == []
    clock.wait(factor_removals.DELAY)
    assert factor_removals.finish_due(context) == 0


@pytest.mark.usefixtures("phone")
def test_a_service_that_was_down_carries_out_due_removals(
    context: Context, hub: FakeHub, clock: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Enough(BaseException):
        """Ends the loop after one round."""

    def enough(_: Context) -> None:
        raise Enough

    factor_removals.begin(context, EMAIL)
    clock.wait(timedelta(days=30))
    hub.refuses = True
    monkeypatch.setattr(factor_removals, "forget_letters", enough)
    with pytest.raises(Enough):
        cleanup.keep_at_it(context, context.clock())
    hub.refuses = False
    assert is_open(context)


@pytest.mark.usefixtures("phone")
def test_without_mail_a_removal_is_in_the_audit_trail_only(context: Context, owner: Actor, clock: WallClock) -> None:
    silent = replace(context, sends_mail=False)
    # The operator's command does not know whether the service sends mail.
    factor_removals.begin(context, EMAIL)
    factor_removals.forget_letters(context)
    with context.store.read() as transaction:
        assert mail.has_kind(transaction, factor_removals.LETTER)
    factor_removals.forget_letters(silent)
    with context.store.read() as transaction:
        assert not mail.has_kind(transaction, factor_removals.LETTER)
    clock.wait(factor_removals.DELAY)
    factor_removals.finish_due(silent)
    assert [action for action, _ in actions(context, owner)] == [factor_removals.BEGUN, factor_removals.DONE]
