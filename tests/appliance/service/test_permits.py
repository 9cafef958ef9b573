"""Permits to sign up, sent by letter or given by the operator, and valid once."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from appliance.model.errors import Invalid, NotEnforced, NotFound, NotOpen, Refused, TooMany
from appliance.model.sign_up import SignUpMode
from appliance.service import Context, accounts, permits
from appliance.store import people
from tests.appliance.clocks import after
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub
from tests.appliance.letterbox import delivered
from tests.appliance.members import PASSWORD


def in_mode(context: Context, mode: SignUpMode) -> Context:
    return replace(context, sign_up=mode, sends_mail=True)


def token_of(text: str) -> str:
    found = re.search(r"/signup\?link=(\S+)", text)
    assert found is not None, text
    return found[1]


def enter(context: Context, email: str = "a@example.net", link: str | None = None) -> str:
    session, _ = accounts.sign_up(context, email=email, password=PASSWORD, organization="acme", link=link)
    return session.token


def is_verified(context: Context, email: str) -> bool:
    with context.store.read() as transaction:
        member = people.by_email(transaction, email)
    assert member is not None
    return member.verified_at is not None


@pytest.mark.parametrize("mode", [SignUpMode.VERIFIED, SignUpMode.INVITED, SignUpMode.CLOSED])
def test_nobody_signs_up_without_a_permit(context: Context, hub: FakeHub, mode: SignUpMode) -> None:
    with pytest.raises(NotOpen) as refused:
        enter(in_mode(context, mode))
    assert refused.value.detail == str(mode.explanation)
    assert not hub.enforced


def test_a_letter_brings_the_link_and_verifies_the_address(context: Context, hub: FakeHub) -> None:
    verified = in_mode(context, SignUpMode.VERIFIED)
    permits.ask(verified, "A@example.net")
    assert not hub.enforced
    (letter,) = delivered(verified)
    assert letter.recipient == "a@example.net"
    token = token_of(letter.text)
    with pytest.raises(Invalid):
        enter(verified, "b@example.net", token)
    enter(verified, "a@example.net", token)
    assert is_verified(verified, "a@example.net")
    assert not delivered(verified)
    with pytest.raises(NotFound):
        enter(verified, "c@example.net", token)


def test_only_the_letter_tells_of_an_existing_account(context: Context) -> None:
    sign_up(context, "owner@example.net")
    verified = in_mode(context, SignUpMode.VERIFIED)
    permits.ask(verified, "owner@example.net")
    (letter,) = delivered(verified)
    assert "has an account already" in letter.text
    assert "link=" not in letter.text


def test_a_second_letter_ends_the_first_permit(context: Context) -> None:
    verified = in_mode(context, SignUpMode.VERIFIED)
    tokens = []
    for _ in range(2):
        permits.ask(verified, "a@example.net")
        tokens += [token_of(each.text) for each in delivered(verified)]
    with pytest.raises(NotFound):
        enter(verified, "a@example.net", tokens[0])
    enter(verified, "a@example.net", tokens[1])


def test_an_operator_s_permit_is_valid_once_and_for_a_week(context: Context) -> None:
    invited = in_mode(context, SignUpMode.INVITED)
    with pytest.raises(NotOpen):
        permits.ask(invited, "a@example.net")
    token = token_of(permits.invite(invited))
    enter(invited, "a@example.net", token)
    assert not is_verified(invited, "a@example.net")
    with pytest.raises(NotFound):
        enter(invited, "b@example.net", token)
    bound = token_of(permits.invite(invited, "C@example.net"))
    with pytest.raises(Invalid):
        enter(invited, "b@example.net", bound)
    later = after(invited, permits.INVITED_FOR + timedelta(seconds=1))
    with pytest.raises(NotFound):
        enter(later, "c@example.net", bound)
    with pytest.raises(NotOpen):
        enter(in_mode(context, SignUpMode.CLOSED), "c@example.net", bound)
    enter(invited, "c@example.net", bound)


def test_a_refused_sign_up_leaves_the_permit_valid(context: Context, hub: FakeHub) -> None:
    invited = in_mode(context, SignUpMode.INVITED)
    token = token_of(permits.invite(invited))
    hub.refuses = True
    with pytest.raises(NotEnforced):
        enter(invited, link=token)
    hub.refuses = False
    with pytest.raises(Invalid):
        accounts.sign_up(invited, email="a@example.net", password="short", organization="x", link=token)
    enter(invited, link=token)


def test_one_of_many_sign_ups_with_a_permit_succeeds(context: Context, hub: FakeHub) -> None:
    invited = in_mode(context, SignUpMode.INVITED)
    token = token_of(permits.invite(invited))
    together = threading.Barrier(6)

    def work(number: int) -> bool:
        together.wait(20)
        try:
            enter(invited, f"{number}@example.net", token)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(6))) == 1
    assert len(hub.enforced) == 1


def test_requests_of_strangers_are_bounded_in_the_store(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permits, "MOST", 3)
    verified = in_mode(context, SignUpMode.VERIFIED)
    for number in (0, 1, 1, 2):
        permits.ask(verified, f"{number}@example.net")
    with pytest.raises(TooMany):
        permits.ask(verified, "3@example.net")
    tomorrow = after(verified, permits.LIFETIME + timedelta(seconds=1))
    permits.ask(tomorrow, "3@example.net")
