"""Letters about every change of the access to an account, one each and without secrets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pyotp
import pytest

from appliance.languages import formats
from appliance.model.errors import WrongProof
from appliance.model.letters import Letter
from appliance.model.organization import Role
from appliance.service import (
    Actor,
    Context,
    accounts,
    api_tokens,
    enrolment,
    log_in,
    members,
    notices,
    organizations,
    passkeys,
    password_change,
    resets,
    verification,
)
from appliance.service.sessions import NOWHERE
from appliance.store.session_table import ClientDevice
from tests.appliance.authenticator import Authenticator
from tests.appliance.clocks import WallClock
from tests.appliance.members import PASSWORD, again, colleague
from tests.appliance.service.letters.conftest import EMAIL, SITE

OTHER = "staple the correct horse"
DEVICE = ClientDevice("198.51.100.7", "curl/8")


@pytest.fixture
def owner(context: Context, owner: Actor) -> Actor:
    """Verifies the owner's address."""
    verification.confirm(context, verification.issue(context, EMAIL).partition("=")[2])
    return owner


def test_each_change_of_access_sends_one_notice_without_secrets(
    context: Context, owner: Actor, clock: WallClock, arrived: Callable[[], list[Letter]]
) -> None:
    secrets: list[str] = [PASSWORD, OTHER]

    def told(what: str) -> None:
        (letter,) = arrived()
        assert letter.recipient == EMAIL
        assert what in " ".join(letter.text.partition("\n\n")[0].split())
        assert f"When: {formats.moment(clock.now)}\n" in letter.text
        assert "From: 198.51.100.7\n" in letter.text
        assert [word for word in letter.text.split() if "://" in word] == [f"{SITE}/forgotten"]
        for secret in secrets:
            assert secret not in letter.text
        clock.wait()

    def present() -> Actor:
        # Each of these changes ends every session.
        return again(context, owner)

    password_change.change(context, present(), password=PASSWORD, new_password=OTHER, device=DEVICE)
    told("password of your account was changed")
    link = resets.issue(context, EMAIL)
    secrets.append(link.partition("=")[2])
    resets.complete(context, secrets[-1], PASSWORD, DEVICE)
    told("Another password was chosen")

    secrets.append(enrolment.propose(context, present(), password=PASSWORD).secret)
    assert arrived() == []
    authenticator = pyotp.TOTP(secrets[-1])
    recovery = enrolment.enable(context, present(), code=authenticator.at(clock.now), device=DEVICE).codes
    secrets.extend(recovery)
    told("second factor was turned on")
    secrets.extend(
        enrolment.renew_recovery_codes(
            context, present(), password=PASSWORD, code=authenticator.at(clock.now), device=DEVICE
        ).codes
    )
    told("New recovery codes")
    log_in.log_in(context, email=EMAIL, password=PASSWORD, code=secrets[-1], device=DEVICE)
    told("recovery code of your account was used")
    log_in.log_in(context, email=EMAIL, password=PASSWORD, code=authenticator.at(clock.now))
    assert arrived() == []
    clock.wait()
    enrolment.disable(context, present(), password=PASSWORD, code=authenticator.at(clock.now), device=DEVICE)
    told("second factor of your account was turned off")

    made = Authenticator(SITE).create(passkeys.begin_adding(context, present(), "holder"))
    passkeys.add(context, present(), "holder", password=PASSWORD, name="laptop", credential=made, device=DEVICE)
    told("passkey was added")
    (passkey,) = passkeys.all_of(context, owner)
    passkeys.rename(context, present(), passkey.id, name="old laptop")
    assert arrived() == []
    passkeys.remove(context, present(), passkey.id, password=PASSWORD, device=DEVICE)
    told("passkey of your account was removed")
    issued = api_tokens.issue(context, present(), password=PASSWORD, name="ci", scope="read", device=DEVICE)
    secrets.append(issued.text)
    told("An API token was made")


def test_a_refused_change_gives_no_notice(context: Context, owner: Actor, arrived: Callable[[], list[Letter]]) -> None:
    with pytest.raises(WrongProof):
        password_change.change(context, owner, password=OTHER, new_password=OTHER + "s")
    assert arrived() == []


def test_notices_are_limited_per_hour_and_all_in_the_audit_trail(
    context: Context,
    owner: Actor,
    clock: WallClock,
    arrived: Callable[[], list[Letter]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notices, "MOST_IN_AN_HOUR", 2)
    for present, new in pairwise([PASSWORD, OTHER, PASSWORD, OTHER, PASSWORD]):
        password_change.change(context, again(context, owner), password=present, new_password=new)
    assert len(arrived()) == 2
    trail = [entry.action for entry in organizations.trail(context, owner)[0]]
    assert trail.count("password.changed") == 4
    clock.wait(timedelta(hours=1, seconds=1))
    password_change.change(context, again(context, owner), password=PASSWORD, new_password=OTHER)
    assert len(arrived()) == 1


def test_a_removed_member_gets_no_notice(context: Context, owner: Actor, arrived: Callable[[], list[Letter]]) -> None:
    actor = colleague(context, owner, Role.ADMIN)
    member = accounts.member_of(context, actor)
    with context.store.write() as transaction:
        notices.record(context, transaction, member, "password.changed", NOWHERE)
    members.remove(context, owner, member.id)
    assert arrived() == []
