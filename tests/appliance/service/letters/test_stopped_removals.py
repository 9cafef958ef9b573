"""The removal of a second factor is stopped by owners, by the operator, and by use of the factor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pyotp
import pytest

from appliance.model.errors import Forbidden, NotFound, Unauthenticated
from appliance.model.letters import Letter
from appliance.model.organization import Role
from appliance.service import (
    Actor,
    Context,
    accounts,
    enrolment,
    factor_removals,
    log_in,
    organizations,
    passkeys,
    proof,
)
from appliance.service.sessions import NOWHERE
from tests.appliance.authenticator import Authenticator
from tests.appliance.clocks import WallClock
from tests.appliance.conftest import sign_up
from tests.appliance.members import PASSWORD, again, colleague
from tests.appliance.service.letters.conftest import EMAIL, SITE
from tests.appliance.service.letters.removals import actions, is_open


@pytest.mark.usefixtures("phone")
def test_an_owner_can_stop_a_removal(
    context: Context, owner: Actor, clock: WallClock, arrived: Callable[[], list[Letter]]
) -> None:
    second_owner = colleague(context, owner, Role.OWNER)
    factor_removals.begin(context, EMAIL)
    (seen,) = factor_removals.waiting(context, second_owner)
    assert (seen.member_id, seen.email) == (owner.member_id, EMAIL)
    for no_owner in (colleague(context, owner, Role.ADMIN), colleague(context, owner, Role.VIEWER)):
        with pytest.raises(Forbidden):
            factor_removals.stop(context, no_owner, owner.member_id)
        with pytest.raises(Forbidden):
            factor_removals.waiting(context, no_owner)
    arrived()
    factor_removals.stop(context, second_owner, owner.member_id)
    assert {letter.recipient for letter in arrived()} == {EMAIL, second_owner.email}
    with pytest.raises(NotFound):
        factor_removals.stop(context, second_owner, owner.member_id)
    clock.wait(2 * factor_removals.DELAY)
    assert factor_removals.finish_due(context) == 0
    assert not is_open(context)
    assert actions(context, owner) == [
        ("factor-removal.begun", "operator"), ("factor-removal.stopped", second_owner.email),
    ]  # fmt: skip


@pytest.mark.usefixtures("phone")
def test_another_organization_s_owner_can_t_stop_a_removal(context: Context, owner: Actor) -> None:
    stranger = sign_up(replace(context, sends_mail=False), "stranger@example.net")
    factor_removals.begin(context, EMAIL)
    assert factor_removals.waiting(context, stranger) == []
    with pytest.raises(NotFound, match="no such member"):
        factor_removals.stop(context, stranger, owner.member_id)
    assert factor_removals.own(context, owner)


@pytest.mark.usefixtures("phone")
def test_the_operator_can_stop_a_removal(context: Context, owner: Actor, arrived: Callable[[], list[Letter]]) -> None:
    factor_removals.begin(context, EMAIL)
    # Of the beginning nobody is told who reads of it too late.
    factor_removals.stop_as_operator(context, EMAIL)
    (letter,) = arrived()
    assert "was stopped by the operator of this service" in " ".join(letter.text.split())
    assert factor_removals.own(context, owner) is None
    with pytest.raises(NotFound):
        factor_removals.stop_as_operator(context, EMAIL)


@pytest.mark.parametrize("how", ["code", "recovery code", "proof"])
def test_using_the_second_factor_stops_a_removal(
    context: Context, owner: Actor, phone: pyotp.TOTP, clock: WallClock, how: str
) -> None:
    codes = enrolment.renew_recovery_codes(
        context, again(context, owner), password=PASSWORD, code=phone.at(clock.now)
    ).codes
    clock.wait()
    factor_removals.begin(context, EMAIL)
    with pytest.raises(Unauthenticated):
        log_in.log_in(context, email=EMAIL, password=PASSWORD, code="000000")
    assert not is_open(context)
    assert factor_removals.own(context, owner), "neither a wrong code nor the password alone stops it"
    if how == "proof":
        actor = again(context, owner)
        shown = proof.of_person(context, actor, PASSWORD, phone.at(clock.now))
        with context.store.write() as transaction:
            proof.take(context, transaction, shown, NOWHERE)
    else:
        code = phone.at(clock.now) if how == "code" else codes[0]
        log_in.log_in(context, email=EMAIL, password=PASSWORD, code=code)
    assert factor_removals.own(context, owner) is None
    assert actions(context, owner)[-1] == ("factor-removal.stopped", EMAIL)


def test_a_passkey_is_removed_too_and_its_use_stops_a_removal(context: Context, owner: Actor, clock: WallClock) -> None:
    quiet = replace(context, sends_mail=False)
    device = Authenticator(SITE)
    made = device.create(passkeys.begin_adding(quiet, again(quiet, owner), "holder"))
    passkeys.add(quiet, again(quiet, owner), "holder", password=PASSWORD, name="laptop", credential=made)
    factor_removals.begin(context, EMAIL)
    signed = device.get(passkeys.begin_log_in(context, "holder"))
    passkeys.log_in(context, "holder", credential=signed)
    assert factor_removals.own(context, owner) is None
    factor_removals.begin(context, EMAIL)
    clock.wait(factor_removals.DELAY)
    assert factor_removals.finish_due(context) == 1
    assert passkeys.all_of(context, owner) == []


def test_a_new_second_factor_or_passkey_stops_a_removal(context: Context, owner: Actor, clock: WallClock) -> None:
    quiet = replace(context, sends_mail=False)
    made = Authenticator(SITE).create(passkeys.begin_adding(quiet, again(quiet, owner), "holder"))
    passkeys.add(quiet, again(quiet, owner), "holder", password=PASSWORD, name="laptop", credential=made)
    factor_removals.begin(context, EMAIL)
    actor = again(quiet, owner)
    phone = pyotp.TOTP(enrolment.propose(quiet, actor, password=PASSWORD).secret)
    enrolment.enable(quiet, actor, code=phone.at(clock.now))
    clock.wait(factor_removals.DELAY)
    assert factor_removals.finish_due(context) == 0
    assert not is_open(context)


def test_turning_the_factor_off_meanwhile_ends_no_session(context: Context, owner: Actor, clock: WallClock) -> None:
    quiet = replace(context, sends_mail=False)
    made = Authenticator(SITE).create(passkeys.begin_adding(quiet, again(quiet, owner), "holder"))
    passkeys.add(quiet, again(quiet, owner), "holder", password=PASSWORD, name="laptop", credential=made)
    factor_removals.begin(context, EMAIL)
    (passkey,) = passkeys.all_of(context, owner)
    passkeys.remove(quiet, again(quiet, owner), passkey.id, password=PASSWORD)
    clock.wait(factor_removals.DELAY)
    session = again(context, owner)
    assert factor_removals.finish_due(context) == 0
    assert accounts.member_of(context, session)
    organizations.change(context, session, name="mine")
    assert factor_removals.own(context, owner) is None
    assert actions(context, owner) == [("factor-removal.begun", "operator")]
