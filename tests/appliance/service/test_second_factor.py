"""A second factor: needed once a code was shown, each code valid once, and turned off with password and code only."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pyotp
import pytest
from sqlalchemy import select

from appliance.model.errors import CodeNeeded, Conflict, NotNow, Unauthenticated, WrongProof
from appliance.service import (
    Actor,
    Context,
    accounts,
    enrolment,
    log_in,
    organizations,
    password_change,
    resets,
    second_factor,
)
from appliance.service.log_in import CodePending
from appliance.service.one_time_codes import ExaminedCode
from appliance.store import schema
from appliance.vault import codes
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD, again

EMAIL = "owner@example.net"
NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


class Phone:
    """An authenticator, and the clock that it shares with the service.

    Attributes:
        now: time of the clock, which stands still.
    """

    def __init__(self) -> None:
        self.now = NOON
        self.secret = ""

    def code(self, steps: int = 0) -> str:
        """Returns the code of the given number of steps from now."""
        return pyotp.TOTP(self.secret).at(self.now + timedelta(seconds=steps * codes.STEP_S))

    def wait(self, steps: int = 1) -> None:
        """Moves the clock forward."""
        self.now += timedelta(seconds=steps * codes.STEP_S)


@pytest.fixture
def phone() -> Phone:
    return Phone()


@pytest.fixture
def context(context: Context, phone: Phone) -> Context:
    return replace(context, clock=lambda: phone.now)


@pytest.fixture
def recovery(context: Context, owner: Actor, phone: Phone) -> list[str]:
    """Provides the recovery codes of an owner who has just turned a second factor on."""
    phone.secret = enrolment.propose(context, owner, password=PASSWORD).secret
    made = enrolment.enable(context, owner, code=phone.code())
    phone.wait()
    return made.codes


def enter(context: Context, code: str | None) -> str:
    return log_in.log_in(context, email=EMAIL, password=PASSWORD, code=code).token


def go_half_way(context: Context) -> CodePending:
    with pytest.raises(CodePending) as half:
        log_in.start(context, email=EMAIL, password=PASSWORD)
    return half.value


def test_an_authenticator_reads_the_proposal(context: Context, owner: Actor) -> None:
    made = enrolment.propose(context, owner, password=PASSWORD)
    parsed = pyotp.parse_uri(made.uri)
    assert (parsed.secret, parsed.name, parsed.issuer) == (made.secret, EMAIL, "MeshWG")
    assert made.secret not in repr(made)


def test_a_second_factor_is_needed_only_after_a_code_was_shown(context: Context, owner: Actor, phone: Phone) -> None:
    phone.secret = enrolment.propose(context, owner, password=PASSWORD).secret
    enter(context, None)
    with pytest.raises(WrongProof):
        enrolment.enable(context, owner, code=phone.code(steps=5))
    assert not second_factor.state(context, owner).enabled
    enrolment.enable(context, owner, code=f" {phone.code()[:3]} {phone.code()[3:]} ")
    with pytest.raises(CodeNeeded):
        enter(context, None)


def test_turning_the_factor_on_ends_every_other_session(context: Context, owner: Actor, phone: Phone) -> None:
    before = enter(context, None)
    phone.secret = enrolment.propose(context, owner, password=PASSWORD).secret
    made = enrolment.enable(context, owner, code=phone.code())
    with pytest.raises(Unauthenticated):
        accounts.actor_of(context, before)
    assert accounts.actor_of(context, made.session.token).email == EMAIL


@pytest.mark.usefixtures("recovery")
def test_a_code_works_once_and_earlier_codes_never(context: Context, phone: Phone) -> None:
    phone.wait(3)
    late, now, early = phone.code(-1), phone.code(), phone.code(1)
    enter(context, now)
    for used in (now, late):
        with pytest.raises(Unauthenticated):
            enter(context, used)
    enter(context, early)
    phone.wait(1)
    with pytest.raises(Unauthenticated):
        enter(context, early)
    for steps in (-2, 2):
        with pytest.raises(Unauthenticated):
            enter(context, phone.code(steps))


@pytest.mark.usefixtures("recovery")
def test_the_code_that_turned_the_factor_on_can_t_log_in(context: Context, phone: Phone) -> None:
    with pytest.raises(Unauthenticated):
        enter(context, phone.code(-1))


@pytest.mark.usefixtures("recovery")
def test_a_wrong_password_doesn_t_disclose_a_second_factor(context: Context, phone: Phone) -> None:
    for code in (None, phone.code()):
        with pytest.raises(Unauthenticated) as refused:
            log_in.log_in(context, email=EMAIL, password="wrong", code=code)
        assert refused.value.detail == "The e-mail address or the password is wrong."
    enter(context, phone.code())


def test_a_recovery_code_works_once_in_any_spelling(context: Context, owner: Actor, recovery: list[str]) -> None:
    assert len(set(recovery)) == 10
    enter(context, recovery[0].upper().replace("-", " "))
    with pytest.raises(Unauthenticated):
        enter(context, recovery[0])
    assert second_factor.state(context, owner).recovery_codes_left == 9
    assert "recovery-code.used" in {entry.action for entry in organizations.trail(context, owner)[0]}
    with context.store.read() as transaction:
        rows = repr(transaction.execute(select(schema.recovery_codes)).all())
    assert not any(code in rows or code.replace("-", "") in rows for code in recovery)


def test_new_recovery_codes_replace_the_old(context: Context, owner: Actor, recovery: list[str], phone: Phone) -> None:
    made = enrolment.renew_recovery_codes(context, again(context, owner), password=PASSWORD, code=phone.code())
    with pytest.raises(Unauthenticated):
        enter(context, recovery[1])
    enter(context, made.codes[1])


@pytest.mark.usefixtures("recovery")
def test_turning_the_factor_off_needs_password_and_code(context: Context, owner: Actor, phone: Phone) -> None:
    owner = again(context, owner)
    for password, code in ((PASSWORD, phone.code(7)), ("wrong", phone.code())):
        with pytest.raises(WrongProof):
            enrolment.disable(context, owner, password=password, code=code)
    with pytest.raises(CodeNeeded):
        enrolment.disable(context, owner, password=PASSWORD, code=" ")
    with pytest.raises(Conflict):
        enrolment.propose(context, owner, password=PASSWORD)
    session = enrolment.disable(context, owner, password=PASSWORD, code=phone.code())
    assert accounts.actor_of(context, session.token)
    enter(context, None)
    with context.store.read() as transaction:
        for table in (schema.second_factors, schema.recovery_codes):
            assert transaction.execute(select(table)).all() == []
    with pytest.raises(Conflict):
        enrolment.disable(context, owner, password=PASSWORD, code=phone.code())


@pytest.mark.usefixtures("recovery")
def test_another_password_leaves_the_second_factor_on(context: Context, owner: Actor, phone: Phone) -> None:
    token = resets.issue(context, EMAIL).partition("token=")[2]
    resets.complete(context, token, "staple the correct horse")
    with pytest.raises(CodeNeeded):
        log_in.log_in(context, email=EMAIL, password="staple the correct horse")
    log_in.log_in(context, email=EMAIL, password="staple the correct horse", code=phone.code())
    assert second_factor.state(context, owner).enabled


@pytest.mark.usefixtures("recovery")
def test_the_second_step_is_valid_for_five_minutes(context: Context, phone: Phone) -> None:
    half = go_half_way(context)
    with pytest.raises(Unauthenticated):
        accounts.actor_of(context, half.ticket)
    with pytest.raises(Unauthenticated):
        log_in.complete(context, half.ticket, code="000000")
    log_in.complete(context, half.ticket, code=phone.code())
    phone.wait()
    with pytest.raises(Unauthenticated):
        log_in.complete(context, half.ticket, code=phone.code())
    slow = go_half_way(context)
    phone.wait(10)
    with pytest.raises(Unauthenticated):
        log_in.complete(context, slow.ticket, code=phone.code())


@pytest.mark.usefixtures("recovery")
def test_another_password_ends_unfinished_log_ins(context: Context, owner: Actor, phone: Phone) -> None:
    half = go_half_way(context)
    password_change.change(context, again(context, owner), password=PASSWORD, new_password="staple the correct horse")
    with pytest.raises(Unauthenticated):
        log_in.complete(context, half.ticket, code=phone.code())


def test_a_factor_turned_on_during_a_log_in_is_needed_at_once(
    context: Context, owner: Actor, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    examine = second_factor.examine

    def slowly(*arguments: object) -> ExaminedCode:
        proof = examine(*arguments)  # type: ignore[arg-type]
        phone.secret = enrolment.propose(context, owner, password=PASSWORD).secret
        enrolment.enable(context, owner, code=phone.code())
        return proof

    monkeypatch.setattr(second_factor, "examine", slowly)
    with pytest.raises(CodeNeeded):
        enter(context, None)


@pytest.mark.usefixtures("recovery")
def test_without_the_hub_no_log_in_skips_the_second_factor(context: Context, hub: FakeHub, phone: Phone) -> None:
    hub.refuses = True
    with pytest.raises(NotNow):
        enter(context, phone.code())
    with pytest.raises(CodeNeeded):
        enter(context, None)
    hub.refuses = False
    enter(context, phone.code())
