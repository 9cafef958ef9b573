"""Sessions are listed, ended alone or together, and never outlive the password that opened them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from argon2 import PasswordHasher

from appliance.model.errors import Invalid, NotFound, Unauthenticated, WrongProof
from appliance.service import Actor, Context, accounts, organizations, password_change, passwords, sessions
from appliance.service import log_in as login
from appliance.store import people
from appliance.store.session_table import ClientDevice
from tests.appliance.clocks import after
from tests.appliance.conftest import sign_up
from tests.appliance.members import PASSWORD

OTHER = "staple the correct horse"
LAPTOP = ClientDevice("192.0.2.7", "curl/8.5.0\n\x1b[31m" + "x" * 300)


def log_in(context: Context, password: str = PASSWORD) -> str:
    return login.log_in(context, email="owner@example.net", password=password, device=LAPTOP).token


def is_open(context: Context, token: str) -> bool:
    try:
        accounts.actor_of(context, token)
    except Unauthenticated:
        return False
    return True


def test_the_list_shows_devices_and_no_tokens(context: Context, owner: Actor) -> None:
    token = log_in(context)
    found = sessions.all_of(context, owner, token)
    assert [each.is_current for each in found].count(True) == 1
    current = next(each for each in found if each.is_current)
    assert current.device.address == "192.0.2.7"
    assert current.device.agent.startswith("curl/8.5.0[31mxx")
    assert len(current.device.agent) == 200
    assert len(found) == 2
    assert not is_open(context, current.id)
    assert current.id not in token


def test_one_session_ends_or_all_others_do(context: Context, owner: Actor) -> None:
    one, two, three = (log_in(context) for _ in range(3))
    doomed = next(each.id for each in sessions.all_of(context, owner, one) if each.is_current)
    sessions.end(context, accounts.actor_of(context, two), doomed)
    assert [is_open(context, each) for each in (one, two, three)] == [False, True, True]
    # The one of the sign-up, too.
    assert sessions.end_others(context, accounts.actor_of(context, two), two) == 2
    assert [is_open(context, each) for each in (two, three)] == [True, False]
    assert sessions.end_others(context, accounts.actor_of(context, two), two) == 0
    trail = [entry.action for entry in organizations.trail(context, owner)[0]]
    assert trail == ["session.ended", "session.ended", *["session.opened"] * 3, "organization.created"]


def test_another_person_s_session_can_t_be_ended(context: Context, owner: Actor) -> None:
    stranger = sign_up(context, "stranger@example.net")
    token = log_in(context)
    for each in sessions.all_of(context, owner, token):
        with pytest.raises(NotFound):
            sessions.end(context, stranger, each.id)
    assert is_open(context, token)


def test_ended_sessions_are_not_listed_and_not_kept(context: Context, owner: Actor) -> None:
    token = log_in(context)
    later = after(context, sessions.IDLE + timedelta(minutes=1))
    assert sessions.all_of(later, owner, token) == []
    fresh = log_in(later)
    assert len(sessions.all_of(context, owner, fresh)) == 1


def test_a_password_change_ends_every_session_and_opens_one(context: Context, owner: Actor) -> None:
    mine, other = log_in(context), log_in(context)
    fresh = password_change.change(context, owner, password=PASSWORD, new_password=OTHER).token
    assert [is_open(context, each) for each in (mine, other, fresh)] == [False, False, True]
    with pytest.raises(Unauthenticated):
        log_in(context)
    assert is_open(context, log_in(context, OTHER))


@pytest.mark.parametrize(
    ("password", "new", "error", "field"),
    [("wrong", OTHER, WrongProof, "password"), (PASSWORD, "short", Invalid, "new_password")],
)
def test_a_refused_password_change_keeps_the_sessions(
    context: Context, owner: Actor, password: str, new: str, error: type[WrongProof | Invalid], field: str
) -> None:
    token = log_in(context)
    with pytest.raises(error) as refused:
        password_change.change(context, owner, password=password, new_password=new)
    assert refused.value.field == field
    assert is_open(context, token)
    assert is_open(context, log_in(context))


def test_a_password_changed_during_its_check_opens_nothing(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = passwords.verify

    def slowly(stored: str | None, password: str) -> bool:
        monkeypatch.setattr(passwords, "verify", verify)
        right = verify(stored, password)
        password_change.change(context, owner, password=PASSWORD, new_password=OTHER)
        return right

    monkeypatch.setattr(passwords, "verify", slowly)
    with pytest.raises(Unauthenticated):
        log_in(context)
    monkeypatch.setattr(passwords, "verify", slowly)
    with pytest.raises(WrongProof):
        password_change.change(context, owner, password=OTHER, new_password="yet another password")


def test_a_log_in_renews_a_hash_of_another_cost(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept() -> str:
        with context.store.read() as transaction:
            member = people.by_id(transaction, owner.member_id)
        assert member is not None
        return member.password_hash

    before = kept()
    monkeypatch.setattr(passwords, "hasher", PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    with pytest.raises(Unauthenticated):
        log_in(context, "wrong")
    assert kept() == before
    assert is_open(context, log_in(context))
    assert "m=16,t=2,p=1" in (fresh := kept())
    assert is_open(context, log_in(context))
    assert kept() == fresh


def test_the_sessions_of_a_person_are_bounded(context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST_OF_ONE", 3)
    moments = iter(range(1000))
    later = replace(context, clock=lambda: context.clock() + timedelta(seconds=next(moments)))
    tokens = [log_in(later) for _ in range(5)]
    assert [is_open(context, each) for each in tokens] == [False, False, True, True, True]
    assert len(sessions.all_of(context, owner, tokens[-1])) == 3
