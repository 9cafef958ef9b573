"""Adding a way into an account needs a fresh proof, and no way in outlives the password."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pyotp
import pytest

from appliance.model.errors import CodeNeeded, Conflict, Refused, Unauthenticated, Unverified, WrongProof
from appliance.service import (
    Actor,
    Context,
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
from appliance.store.session_table import ClientDevice
from tests.appliance.authenticator import Authenticator
from tests.appliance.letterbox import delivered
from tests.appliance.members import PASSWORD, again

EMAIL = "owner@example.net"
OTHER = "staple the correct horse"
SITE = "https://hub.example.net"
NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
DEVICE = ClientDevice("198.51.100.7", "curl/8")


@pytest.fixture
def context(context: Context) -> Context:
    return replace(context, site=SITE, clock=lambda: NOW)


@pytest.fixture
def mailing(context: Context) -> Context:
    """Provides a context of the service with a relay."""
    return replace(context, sends_mail=True)


class Ways:
    """An API token, a passkey and a session of one person."""

    def __init__(self, context: Context, actor: Actor) -> None:
        self._context = context
        self._device = Authenticator(SITE)
        made = self._device.create(passkeys.begin_adding(context, actor, "holder"))
        session = passkeys.add(context, actor, "holder", password=PASSWORD, name="laptop", credential=made)
        self._session = session.token
        present = accounts.actor_of(context, session.token)
        self._token = api_tokens.issue(context, present, password=PASSWORD, name="ci", scope="write").text

    @property
    def open(self) -> set[str]:
        """Lists the ways that still give access."""
        ways: dict[str, Callable[[], object]] = {
            "session": lambda: accounts.actor_of(self._context, self._session),
            "token": lambda: api_tokens.holder(self._context, self._token),
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
        """Returns the actor of the session."""
        return accounts.actor_of(self._context, self._session)

    def _log_in(self) -> object:
        used = self._device.get(passkeys.begin_log_in(self._context, "holder"))
        return passkeys.log_in(self._context, "holder", credential=used)


def link(context: Context) -> str:
    """Asks for a new password by letter; returns the token of its link."""
    resets.ask(context, EMAIL)
    resets.answer_all(context)
    (found,) = (word for letter in delivered(context) for word in letter.text.split() if "/reset?token=" in word)
    return found.partition("token=")[2]


def test_a_reset_ends_every_way_in(context: Context, owner: Actor) -> None:
    ways = Ways(context, owner)
    assert ways.open == {"session", "token", "passkey"}
    resets.complete(context, resets.issue(context, EMAIL).partition("=")[2], OTHER, DEVICE)
    assert ways.open == set()
    (entry, *_), _ = organizations.trail(context, owner)
    assert entry.action == "password.reset"
    assert entry.detail == {"tokens_ended": 1, "passkeys_ended": 1, "address": "198.51.100.7"}


@pytest.mark.parametrize("keep_tokens", [False, True])
@pytest.mark.parametrize("keep_passkeys", [False, True])
def test_a_password_change_ends_every_way_in_that_is_not_kept(
    context: Context, owner: Actor, keep_tokens: bool, keep_passkeys: bool
) -> None:
    ways = Ways(context, owner)
    password_change.change(
        context,
        ways.actor,
        password=PASSWORD,
        new_password=OTHER,
        keep_tokens=keep_tokens,
        keep_passkeys=keep_passkeys,
    )
    kept = {"token": keep_tokens, "passkey": keep_passkeys}
    assert ways.open == {name for name, is_kept in kept.items() if is_kept}


def test_a_password_change_keeps_no_way_in_by_default(context: Context, owner: Actor) -> None:
    ways = Ways(context, owner)
    password_change.change(context, ways.actor, password=PASSWORD, new_password=OTHER)
    assert ways.open == set()


def test_a_password_change_ends_a_proposed_second_factor(context: Context, owner: Actor) -> None:
    """Changes the password: a person who knew the old one may know the proposed secret."""
    secret = enrolment.propose(context, owner, password=PASSWORD).secret
    session = password_change.change(context, owner, password=PASSWORD, new_password=OTHER)
    present = accounts.actor_of(context, session.token)
    with pytest.raises(Conflict):
        enrolment.enable(context, present, code=pyotp.TOTP(secret).at(NOW))


def issue(context: Context, actor: Actor, password: str = PASSWORD, code: str | None = None) -> object:
    return api_tokens.issue(context, actor, password=password, name="ci", scope="read", code=code)


def add(context: Context, actor: Actor, password: str = PASSWORD, code: str | None = None) -> object:
    made = Authenticator(SITE).create(passkeys.begin_adding(context, actor, "holder"))
    return passkeys.add(context, actor, "holder", password=password, name="laptop", credential=made, code=code)


def propose(context: Context, actor: Actor, password: str = PASSWORD, code: str | None = None) -> object:
    del code
    return enrolment.propose(context, actor, password=password)


MAKING = [issue, add, propose]


@pytest.mark.parametrize("make", MAKING)
def test_adding_a_way_in_needs_the_password(context: Context, owner: Actor, make: Callable[..., object]) -> None:
    with pytest.raises(WrongProof) as refused:
        make(context, owner, "a guess")
    assert refused.value.field == "password"
    assert make(context, owner)


@pytest.mark.parametrize("make", [issue, add])
def test_adding_a_way_in_beside_a_second_factor_uses_a_code_up(
    context: Context, owner: Actor, make: Callable[..., object]
) -> None:
    """Adds a passkey and a token: as they work without a code, creating one needs a code."""
    secret = enrolment.propose(context, owner, password=PASSWORD).secret
    session = enrolment.enable(context, owner, code=pyotp.TOTP(secret).at(NOW)).session
    present = accounts.actor_of(context, session.token)
    code = pyotp.TOTP(secret).at(NOW + timedelta(seconds=30))
    with pytest.raises(CodeNeeded):
        make(context, present)
    with pytest.raises(WrongProof):
        make(context, present, PASSWORD, "000000")
    assert make(context, present, PASSWORD, code)
    with pytest.raises(WrongProof):
        make(context, again(context, owner), PASSWORD, code)


@pytest.mark.parametrize("make", MAKING)
def test_with_mail_a_way_in_needs_a_verified_address(
    context: Context, mailing: Context, owner: Actor, make: Callable[..., object]
) -> None:
    with pytest.raises(Unverified):
        make(mailing, owner)
    verification.confirm(mailing, verification.issue(context, EMAIL).partition("=")[2])
    assert make(mailing, owner)


def test_without_mail_a_way_in_needs_no_verified_address(context: Context, owner: Actor) -> None:
    for make in MAKING:
        assert make(context, again(context, owner))


def test_a_sign_up_with_a_foreign_address_keeps_no_access(context: Context, mailing: Context, owner: Actor) -> None:
    """Adds every way in with an address that is another person's, who then resets the password by a letter."""
    ways = Ways(context, owner)
    secret = enrolment.propose(context, ways.actor, password=PASSWORD).secret
    enrolment.enable(context, ways.actor, code=pyotp.TOTP(secret).at(NOW))
    resets.complete(mailing, link(mailing), OTHER)
    assert ways.open == set()
    session = log_in.log_in(mailing, email=EMAIL, password=OTHER)
    you = accounts.actor_of(mailing, session.token)
    assert not second_factor.state(mailing, you).enabled
    # The letter was read by whom the address belongs to.
    assert accounts.member_of(mailing, you).verified_at == NOW
    assert issue(mailing, you, OTHER)


@pytest.mark.parametrize("by_letter", [True, False])
def test_a_second_factor_is_not_bypassed_by_a_reset(
    context: Context, mailing: Context, owner: Actor, by_letter: bool
) -> None:
    """Resets by a letter to a verified address, and by the operator's link."""
    if by_letter:
        verification.confirm(mailing, verification.issue(context, EMAIL).partition("=")[2])
    secret = enrolment.propose(context, owner, password=PASSWORD).secret
    enrolment.enable(context, owner, code=pyotp.TOTP(secret).at(NOW))
    token = link(mailing) if by_letter else resets.issue(context, EMAIL).partition("=")[2]
    resets.complete(mailing, token, OTHER)
    with pytest.raises(CodeNeeded):
        log_in.log_in(mailing, email=EMAIL, password=OTHER)
    code = pyotp.TOTP(secret).at(NOW + timedelta(seconds=30))
    assert log_in.log_in(mailing, email=EMAIL, password=OTHER, code=code)


def test_the_operator_s_link_verifies_no_address(context: Context, owner: Actor) -> None:
    resets.complete(context, resets.issue(context, EMAIL).partition("=")[2], OTHER)
    assert accounts.member_of(context, owner).verified_at is None


def test_a_later_link_ends_an_earlier_one_of_the_other_kind(context: Context, mailing: Context, owner: Actor) -> None:
    del owner
    first = resets.issue(context, EMAIL).partition("=")[2]
    second = link(mailing)
    with pytest.raises(Refused):
        resets.complete(mailing, first, OTHER)
    third = resets.issue(context, EMAIL).partition("=")[2]
    with pytest.raises(Refused):
        resets.complete(mailing, second, OTHER)
    resets.complete(mailing, third, OTHER)
