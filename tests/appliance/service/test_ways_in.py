"""Another way into an account takes a fresh proof, and none outlives the password."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pyotp
import pytest

from appliance.model.errors import CodeNeeded, Conflict, Refused, Unauthenticated, Unverified, WrongProof
from appliance.service import (
    Actor,
    Workplace,
    accounts,
    api_tokens,
    enrolment,
    log_in,
    organizations,
    passkeys,
    password_change,
    resets,
    second_factor,
    verification,
)
from appliance.store.sessions import Device
from tests.appliance.authenticator import Authenticator
from tests.appliance.letterbox import delivered
from tests.appliance.members import PASSWORD, again

EMAIL = "owner@example.net"
OTHER = "staple the correct horse"
SITE = "https://hub.example.net"
NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
DEVICE = Device("198.51.100.7", "curl/8")


@pytest.fixture
def workplace(workplace: Workplace) -> Workplace:
    return replace(workplace, site=SITE, clock=lambda: NOW)


@pytest.fixture
def mailing(workplace: Workplace) -> Workplace:
    """The same service, with a relay by now."""
    return replace(workplace, sends_mail=True)


class Ways:
    """An API token, a passkey and a session of somebody's."""

    def __init__(self, workplace: Workplace, actor: Actor) -> None:
        self._workplace = workplace
        self._device = Authenticator(SITE)
        made = self._device.create(passkeys.begin_adding(workplace, actor, "holder"))
        session = passkeys.add(workplace, actor, "holder", password=PASSWORD, name="laptop", credential=made)
        self._session = session.token
        present = accounts.actor_of(workplace, session.token)
        self._token = api_tokens.issue(workplace, present, password=PASSWORD, name="ci", scope="write").text

    @property
    def open(self) -> set[str]:
        """Those that still let in."""
        ways: dict[str, Callable[[], object]] = {
            "session": lambda: accounts.actor_of(self._workplace, self._session),
            "token": lambda: api_tokens.holder(self._workplace, self._token),
            "passkey": self._log_in,
        }
        found = set()
        for name, enter in ways.items():
            try:
                enter()
            except Unauthenticated:
                continue
            found.add(name)
        return found

    @property
    def actor(self) -> Actor:
        """Who holds the session."""
        return accounts.actor_of(self._workplace, self._session)

    def _log_in(self) -> object:
        used = self._device.get(passkeys.begin_log_in(self._workplace, "holder"))
        return passkeys.log_in(self._workplace, "holder", credential=used)


def link(workplace: Workplace) -> str:
    """The token of a link that a letter brings to somebody who forgot the password."""
    resets.ask(workplace, EMAIL)
    resets.answer_all(workplace)
    (found,) = (word for letter in delivered(workplace) for word in letter.text.split() if "/reset?token=" in word)
    return found.partition("token=")[2]


def test_a_reset_ends_every_way_in(workplace: Workplace, owner: Actor) -> None:
    ways = Ways(workplace, owner)
    assert ways.open == {"session", "token", "passkey"}
    resets.complete(workplace, resets.issue(workplace, EMAIL).partition("=")[2], OTHER, DEVICE)
    assert ways.open == set()
    (entry, *_), _ = organizations.trail(workplace, owner)
    assert entry.action == "password.reset"
    assert entry.detail == {"tokens_ended": 1, "passkeys_ended": 1, "address": "198.51.100.7"}


@pytest.mark.parametrize("keep_tokens", [False, True])
@pytest.mark.parametrize("keep_passkeys", [False, True])
def test_another_password_ends_what_is_not_to_be_kept(
    workplace: Workplace, owner: Actor, keep_tokens: bool, keep_passkeys: bool
) -> None:
    ways = Ways(workplace, owner)
    password_change.change(
        workplace,
        ways.actor,
        password=PASSWORD,
        new_password=OTHER,
        keep_tokens=keep_tokens,
        keep_passkeys=keep_passkeys,
    )
    kept = {"token": keep_tokens, "passkey": keep_passkeys}
    assert ways.open == {name for name, is_kept in kept.items() if is_kept}


def test_by_itself_another_password_keeps_nothing(workplace: Workplace, owner: Actor) -> None:
    ways = Ways(workplace, owner)
    password_change.change(workplace, ways.actor, password=PASSWORD, new_password=OTHER)
    assert ways.open == set()


def test_another_password_ends_a_second_factor_that_was_only_proposed(workplace: Workplace, owner: Actor) -> None:
    """Who knew the old password may know its secret."""
    secret = enrolment.propose(workplace, owner, password=PASSWORD).secret
    session = password_change.change(workplace, owner, password=PASSWORD, new_password=OTHER)
    present = accounts.actor_of(workplace, session.token)
    with pytest.raises(Conflict):
        enrolment.enable(workplace, present, code=pyotp.TOTP(secret).at(NOW))


def issue(workplace: Workplace, actor: Actor, password: str = PASSWORD, code: str | None = None) -> object:
    return api_tokens.issue(workplace, actor, password=password, name="ci", scope="read", code=code)


def add(workplace: Workplace, actor: Actor, password: str = PASSWORD, code: str | None = None) -> object:
    made = Authenticator(SITE).create(passkeys.begin_adding(workplace, actor, "holder"))
    return passkeys.add(workplace, actor, "holder", password=password, name="laptop", credential=made, code=code)


def propose(workplace: Workplace, actor: Actor, password: str = PASSWORD, code: str | None = None) -> object:
    del code
    return enrolment.propose(workplace, actor, password=password)


MAKING = [issue, add, propose]


@pytest.mark.parametrize("make", MAKING)
def test_a_way_in_takes_the_password(workplace: Workplace, owner: Actor, make: Callable[..., object]) -> None:
    with pytest.raises(WrongProof) as refused:
        make(workplace, owner, "a guess")
    assert refused.value.field == "password"
    assert make(workplace, owner)


@pytest.mark.parametrize("make", [issue, add])
def test_a_way_in_beside_a_second_factor_takes_a_code_that_is_used_up(
    workplace: Workplace, owner: Actor, make: Callable[..., object]
) -> None:
    """A passkey and a token let in without a code, so who makes one gives it."""
    secret = enrolment.propose(workplace, owner, password=PASSWORD).secret
    session = enrolment.enable(workplace, owner, code=pyotp.TOTP(secret).at(NOW)).session
    present = accounts.actor_of(workplace, session.token)
    code = pyotp.TOTP(secret).at(NOW + timedelta(seconds=30))
    with pytest.raises(CodeNeeded):
        make(workplace, present)
    with pytest.raises(WrongProof):
        make(workplace, present, PASSWORD, "000000")
    assert make(workplace, present, PASSWORD, code)
    with pytest.raises(WrongProof):
        make(workplace, again(workplace, owner), PASSWORD, code)


@pytest.mark.parametrize("make", MAKING)
def test_where_mail_works_an_address_is_verified_before(
    workplace: Workplace, mailing: Workplace, owner: Actor, make: Callable[..., object]
) -> None:
    with pytest.raises(Unverified):
        make(mailing, owner)
    verification.confirm(mailing, verification.issue(workplace, EMAIL).partition("=")[2])
    assert make(mailing, owner)


def test_where_nobody_can_verify_an_address_nobody_has_to(workplace: Workplace, owner: Actor) -> None:
    for make in MAKING:
        assert make(workplace, again(workplace, owner))


def test_who_signed_up_with_your_address_keeps_nothing(workplace: Workplace, mailing: Workplace, owner: Actor) -> None:
    """Made before there was mail: a token, a passkey, a session and a second factor. Then you reset by a letter."""
    ways = Ways(workplace, owner)
    secret = enrolment.propose(workplace, ways.actor, password=PASSWORD).secret
    enrolment.enable(workplace, ways.actor, code=pyotp.TOTP(secret).at(NOW))
    resets.complete(mailing, link(mailing), OTHER)
    assert ways.open == set()
    session = log_in.at_once(mailing, email=EMAIL, password=OTHER)
    you = accounts.actor_of(mailing, session.token)
    assert not second_factor.state(mailing, you).enabled
    # The letter was read by whom the address belongs to.
    assert accounts.member_of(mailing, you).verified_at == NOW
    assert issue(mailing, you, OTHER)


@pytest.mark.parametrize("by_letter", [True, False])
def test_a_second_factor_is_not_bypassed_by_a_reset(
    workplace: Workplace, mailing: Workplace, owner: Actor, by_letter: bool
) -> None:
    """Not by a letter to a verified address, and not by the operator's link."""
    if by_letter:
        verification.confirm(mailing, verification.issue(workplace, EMAIL).partition("=")[2])
    secret = enrolment.propose(workplace, owner, password=PASSWORD).secret
    enrolment.enable(workplace, owner, code=pyotp.TOTP(secret).at(NOW))
    token = link(mailing) if by_letter else resets.issue(workplace, EMAIL).partition("=")[2]
    resets.complete(mailing, token, OTHER)
    with pytest.raises(CodeNeeded):
        log_in.at_once(mailing, email=EMAIL, password=OTHER)
    code = pyotp.TOTP(secret).at(NOW + timedelta(seconds=30))
    assert log_in.at_once(mailing, email=EMAIL, password=OTHER, code=code)


def test_the_operator_s_link_verifies_no_address(workplace: Workplace, owner: Actor) -> None:
    resets.complete(workplace, resets.issue(workplace, EMAIL).partition("=")[2], OTHER)
    assert accounts.member_of(workplace, owner).verified_at is None


def test_a_later_link_ends_one_of_the_other_kind(workplace: Workplace, mailing: Workplace, owner: Actor) -> None:
    del owner
    first = resets.issue(workplace, EMAIL).partition("=")[2]
    second = link(mailing)
    with pytest.raises(Refused):
        resets.complete(mailing, first, OTHER)
    third = resets.issue(workplace, EMAIL).partition("=")[2]
    with pytest.raises(Refused):
        resets.complete(mailing, second, OTHER)
    resets.complete(mailing, third, OTHER)
