"""Operators: set up by a link, signed in with two factors, and apart from members."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import func, select

from appliance.model.errors import Conflict, Invalid, NotFound, NotNow, Unauthenticated, WrongProof
from appliance.service import Actor, Context, operator_sessions, operators, passwords, sessions, setbacks
from appliance.service.operators import Enrolled
from appliance.service.sessions import NOWHERE, Session
from appliance.store import instance, operations, schema
from appliance.store import operators as stored
from appliance.store.instance import Instance
from appliance.vault import Lock
from tests.appliance.clocks import WallClock
from tests.appliance.fakes import FakeHub
from tests.appliance.members import OPERATORS_PASSWORD, PASSWORD, sign_in

EMAIL = "ops@example.net"


@pytest.fixture
def here(context: Context, clock: WallClock) -> Context:
    """Provides a context whose clock the test sets."""
    return replace(context, clock=clock)


@dataclass
class Desk:
    """An operator who is set up, with their authenticator."""

    context: Context
    clock: WallClock
    enrolled: Enrolled
    phone: pyotp.TOTP

    def enter(self, code: str | None = None, password: str = OPERATORS_PASSWORD, email: str = EMAIL) -> Session:
        """Signs in with a fresh code, unless another one is given."""
        self.clock.wait()
        typed = self.phone.at(self.clock.now) if code is None else code
        return operator_sessions.log_in(self.context, email=email, password=password, code=typed, device=NOWHERE)


@pytest.fixture
def desk(here: Context, clock: WallClock) -> Desk:
    token = token_of(operators.add(here, EMAIL))
    phone = pyotp.TOTP(operators.propose(here, token, OPERATORS_PASSWORD).secret)
    return Desk(here, clock, operators.enrol(here, token, phone.at(clock.now), NOWHERE), phone)


def token_of(link: str) -> str:
    return link.rpartition("/")[2]


def test_there_are_none_until_one_is_added(here: Context) -> None:
    assert not operators.exist(here)
    link = operators.add(here, " Ops@Example.net ")
    assert link.startswith("https://localhost:8443/operator/join/mwi_")
    assert operators.exist(here)
    (listed,) = operators.all_of(here)
    assert (listed.operator.email, listed.is_enrolled, listed.recovery_codes) == (EMAIL, False, 0)
    with pytest.raises(Invalid):
        operators.add(here, "nobody")


def test_an_operator_is_set_up_by_their_link_once(desk: Desk, here: Context, clock: WallClock) -> None:
    assert len(desk.enrolled.codes) == 10
    assert operator_sessions.holder(here, desk.enrolled.session.token).operator.email == EMAIL
    with pytest.raises(Conflict, match="operator with this address"):
        operators.add(here, EMAIL)
    with here.store.read() as transaction:
        acts = [(each.user, each.action) for each in operations.latest(transaction, 9)]
        assert transaction.execute(select(func.count()).select_from(schema.operator_links)).scalar_one() == 0
    assert acts == [(EMAIL, operations.OPERATOR_ENROLLED)]
    (listed,) = operators.all_of(here)
    assert (listed.is_enrolled, listed.recovery_codes, listed.last_seen_at) == (True, 10, clock.now)


def test_a_link_holds_for_a_day_and_until_the_next_one(here: Context, clock: WallClock) -> None:
    first = token_of(operators.add(here, EMAIL))
    operators.propose(here, first, OPERATORS_PASSWORD)
    second = token_of(operators.add(here, EMAIL))
    for call in (lambda: operators.by_link(here, first), lambda: operators.propose(here, first, OPERATORS_PASSWORD)):
        with pytest.raises(NotFound):
            call()
    assert operators.by_link(here, second).email == EMAIL
    clock.wait(operators.LINK_LIFETIME)
    with pytest.raises(NotFound):
        operators.enrol(here, second, "000000", NOWHERE)


def test_without_a_second_factor_nobody_signs_in(here: Context) -> None:
    token = token_of(operators.add(here, EMAIL))
    made = operators.propose(here, token, OPERATORS_PASSWORD)
    for code in ("", pyotp.TOTP(made.secret).at(here.clock())):
        with pytest.raises(Unauthenticated):
            operator_sessions.log_in(here, email=EMAIL, password=OPERATORS_PASSWORD, code=code, device=NOWHERE)
    with pytest.raises(WrongProof):
        operators.enrol(here, token, "000000", NOWHERE)
    with here.store.read() as transaction:
        assert transaction.execute(select(func.count()).select_from(schema.operator_sessions)).scalar_one() == 0


@pytest.mark.parametrize("password", ["short", EMAIL, "password123"])
def test_an_operator_s_password_is_no_easier_than_a_member_s(here: Context, password: str) -> None:
    token = token_of(operators.add(here, EMAIL))
    with pytest.raises(Invalid):
        operators.propose(here, token, password)


def test_a_code_signs_in_once_and_so_does_a_recovery_code(desk: Desk, here: Context) -> None:
    assert operator_sessions.holder(here, desk.enter().token)
    with pytest.raises(Unauthenticated):
        operator_sessions.log_in(
            here, email=EMAIL, password=OPERATORS_PASSWORD, code=desk.phone.at(here.clock()), device=NOWHERE
        )
    recovery = desk.enrolled.codes[0]
    assert operator_sessions.holder(here, desk.enter(recovery).token)
    with pytest.raises(Unauthenticated):
        desk.enter(recovery)


def test_the_answer_does_not_tell_what_was_wrong(desk: Desk) -> None:
    told = set()
    for wrong in ({"code": "000000"}, {"code": ""}, {"password": "wrong"}, {"email": "nobody@example.net"}):
        with pytest.raises(Unauthenticated) as refusal:
            desk.enter(**wrong)
        told.add((refusal.value.detail, refusal.value.field))
    assert len(told) == 1


def test_without_the_hub_no_operator_signs_in(desk: Desk, hub: FakeHub) -> None:
    hub.refuses = True
    with pytest.raises(NotNow):
        desk.enter()


def test_sessions_end_earlier_than_those_of_members(desk: Desk, here: Context, clock: WallClock) -> None:
    assert operator_sessions.IDLE < sessions.IDLE
    assert operator_sessions.ABSOLUTE < sessions.ABSOLUTE
    idle, used = desk.enter().token, desk.enter().token
    for _ in range(int(operator_sessions.ABSOLUTE / timedelta(minutes=20)) - 1):
        clock.wait(timedelta(minutes=20))
        operator_sessions.holder(here, used)
    with pytest.raises(Unauthenticated):
        operator_sessions.holder(here, idle)
    clock.wait(timedelta(minutes=20))
    with pytest.raises(Unauthenticated):
        operator_sessions.holder(here, used)


def test_sessions_of_an_operator_are_bounded(desk: Desk, here: Context) -> None:
    made = [desk.enter().token for _ in range(operator_sessions.MOST_OF_ONE + 2)]
    with here.store.read() as transaction:
        count = transaction.execute(select(func.count()).select_from(schema.operator_sessions)).scalar_one()
    assert count == operator_sessions.MOST_OF_ONE
    assert operator_sessions.holder(here, made[-1])


def test_a_removed_operator_is_signed_out_and_gone(desk: Desk, here: Context) -> None:
    token = desk.enrolled.session.token
    operators.remove(here, EMAIL)
    with pytest.raises(Unauthenticated):
        operator_sessions.holder(here, token)
    with pytest.raises(Unauthenticated):
        desk.enter()
    with pytest.raises(NotFound):
        operators.remove(here, EMAIL)
    with here.store.read() as transaction:
        for table in schema.metadata.sorted_tables:
            if "operator_id" in table.c or table is schema.operators:
                assert transaction.execute(select(func.count()).select_from(table)).scalar_one() == 0, table.name


def test_logging_out_ends_one_session(desk: Desk, here: Context) -> None:
    first, second = desk.enter().token, desk.enter().token
    operator_sessions.log_out(here, first)
    assert operator_sessions.holder(here, second)
    with pytest.raises(Unauthenticated):
        operator_sessions.holder(here, first)


def test_members_and_operators_are_nothing_to_each_other(desk: Desk, here: Context, owner: Actor) -> None:
    """An operator with a member's address and password, and sessions of both."""
    member = sign_in(here, owner.member_id)
    with pytest.raises(Unauthenticated):
        operator_sessions.holder(here, member)
    with pytest.raises(Unauthenticated):
        sessions.holder(here, desk.enrolled.session.token)
    operators.add(here, owner.email)
    with pytest.raises(Unauthenticated):
        operator_sessions.log_in(here, email=owner.email, password=PASSWORD, code="", device=NOWHERE)


def test_operators_are_bounded(here: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "MOST", 2)
    for name in ("a", "b"):
        operators.add(here, f"{name}@example.net")
    with pytest.raises(Conflict, match="which is the most"):
        operators.add(here, "c@example.net")
    # A new link for one that there is takes no place.
    operators.add(here, "a@example.net")


def test_a_removal_while_a_password_is_verified_counts(
    desk: Desk, here: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = passwords.verify

    def slowly(known: str | None, password: str) -> bool:
        operators.remove(here, EMAIL)
        return verify(known, password)

    monkeypatch.setattr(passwords, "verify", slowly)
    with pytest.raises(Unauthenticated):
        desk.enter()


def test_a_clock_set_back_lengthens_no_operator_s_session(here: Context, clock: WallClock, desk: Desk) -> None:
    steady = 1000.0

    def settle() -> None:
        setbacks.settle(here, lambda: steady, lambda: "boot")

    with here.store.write() as transaction:
        instance.create(transaction, Instance("abc", Lock(b"s" * 16, 2, 8, 1, b"p")))
    settle()
    token = desk.enter().token
    steady += 30
    settle()
    clock.now -= timedelta(days=400)
    settle()
    clock.wait(operator_sessions.IDLE + timedelta(seconds=1))
    with pytest.raises(Unauthenticated):
        operator_sessions.holder(here, token)
    with here.store.read() as transaction:
        assert stored.exist(transaction)
