"""Sign-up, log-in and sessions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from appliance.model.emails import check_email
from appliance.model.errors import Conflict, Invalid, Unauthenticated
from appliance.service import Context, accounts, log_in, sessions, tokens
from appliance.store import schema
from tests.appliance.clocks import after
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD


def sign_up(context: Context, email: str = "a@example.net") -> str:
    session, _ = accounts.sign_up(context, email=email, password=PASSWORD, organization="acme")
    return session.token


def test_a_session_is_stored_as_a_hash(context: Context) -> None:
    token = sign_up(context)
    with context.store.read() as transaction:
        row = transaction.execute(schema.sessions.select()).one()
    assert token not in repr(row)
    assert row.token_hash == tokens.hash_of(token)


def test_each_log_in_opens_a_session_and_log_out_ends_it_alone(context: Context) -> None:
    sign_up(context)
    one, two = (log_in.log_in(context, email=" A@Example.net", password=PASSWORD).token for _ in range(2))
    assert one != two
    sessions.log_out(context, one)
    with pytest.raises(Unauthenticated):
        accounts.actor_of(context, one)
    assert accounts.actor_of(context, two).email == "a@example.net"


def test_concurrent_sign_ups_get_different_ports(context: Context, hub: FakeHub) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: sign_up(context, f"{number}@example.net"), range(12)))
    assert len({desired.port for desired in hub.enforced.values()}) == 12


def test_one_of_many_sign_ups_with_one_address_succeeds(context: Context, hub: FakeHub) -> None:
    def try_it(_: int) -> int:
        try:
            sign_up(context)
        except Conflict:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_it, range(8))) == 1
    assert len(hub.enforced) == 1


@pytest.mark.parametrize(("email", "password"), [("a@example.net", "wrong"), ("b@example.net", PASSWORD), ("", "")])
def test_a_refusal_tells_not_if_address_or_password_is_wrong(context: Context, email: str, password: str) -> None:
    sign_up(context)
    with pytest.raises(Unauthenticated) as refused:
        log_in.log_in(context, email=email, password=password)
    assert refused.value.detail == "The e-mail address or the password is wrong."


def test_sessions_end_when_idle_and_at_their_final_time(context: Context) -> None:
    token = sign_up(context)
    accounts.actor_of(after(context, sessions.IDLE - timedelta(minutes=1)), token)
    accounts.actor_of(after(context, 2 * sessions.IDLE - timedelta(minutes=5)), token)
    with pytest.raises(Unauthenticated):
        accounts.actor_of(after(context, 3 * sessions.IDLE), token)
    fresh = sign_up(context, "b@example.net")
    for half_days in range(1, 40):
        moment = after(context, half_days * timedelta(hours=11))
        if half_days * timedelta(hours=11) < sessions.ABSOLUTE:
            accounts.actor_of(moment, fresh)
        else:
            with pytest.raises(Unauthenticated):
                accounts.actor_of(moment, fresh)


def test_a_second_account_with_an_address_is_refused(context: Context) -> None:
    sign_up(context)
    with pytest.raises(Conflict):
        sign_up(context, "A@EXAMPLE.NET")


@pytest.mark.parametrize(
    "email", ["", "a", "a@b", "a b@c.de", "a@b.c\n", "@b.co", "a@b.co@c.de", "a@" + "b" * 260 + ".de"]
)
def test_an_invalid_address_is_refused(context: Context, email: str) -> None:
    if email.strip() != email:
        assert check_email(email) == email.strip()
        return
    with pytest.raises(Invalid):
        sign_up(context, email)


@pytest.mark.parametrize("code", [0x200B, 0x202E, 0x2066, 0xFEFF, 0x00AD, 0xE0041, 0xE000, 0x0378])
def test_an_address_has_no_invisible_character(context: Context, code: int) -> None:
    """They make an address look like another one, or turn the text around it, in lists of members and in letters."""
    with pytest.raises(Invalid):
        sign_up(context, f"as{chr(code)}ha@example.net")


@pytest.mark.parametrize(
    "email",
    [
        "\u091c\u092f\u092a\u0941\u0930@\u0909\u0926\u093e\u0939\u0930\u0923.\u092d\u093e\u0930\u0924",
        "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc@example.net",
        "a.b+c'd&e=f@x-1.example.net",
    ],
)
def test_an_address_may_be_in_any_script(email: str) -> None:
    assert check_email(email) == email


@pytest.mark.parametrize("password", ["", "short", "x" * 1025])
def test_too_short_and_too_long_passwords_are_refused(context: Context, password: str) -> None:
    with pytest.raises(Invalid):
        accounts.sign_up(context, email="a@example.net", password=password, organization="acme")
