"""Senders of large bodies, for which their places are counted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from appliance.model.errors import TooMany, Unauthenticated
from appliance.model.organization import Role
from appliance.service import Actor, Context, api_tokens, sessions
from appliance.service import log_in as login
from appliance.web import senders
from appliance.web.payers import owners_of
from appliance.web.rates import STRANGERS
from appliance.web.request import COOKIE
from tests.appliance.conftest import sign_up
from tests.appliance.members import PASSWORD, colleague, sign_in
from tests.appliance.sites import site_of


@pytest.fixture
def sender(context: Context) -> Callable[[dict[str, str]], str]:
    return partial(senders.sender, site_of(context))


def head(address: str = "203.0.113.7", **headers: str) -> dict[str, str]:
    return {"REMOTE_ADDR": address, "PATH_INFO": "/api/v1/policy"} | {
        f"HTTP_{name}": value for name, value in headers.items()
    }


def test_a_signed_in_request_is_counted_for_its_payer(
    sender: Callable[[dict[str, str]], str], context: Context, owner: Actor
) -> None:
    token = login.log_in(context, email="owner@example.net", password=PASSWORD).token
    program = api_tokens.issue(context, owner, name="ci", scope="write", password=PASSWORD).text
    for shown in (head(AUTHORIZATION=f"Bearer {token}"), head(COOKIE=f"{COOKIE}={token}")):
        assert sender(shown) == owners_of(owner.organization_id)
    admin = sign_in(context, colleague(context, owner, Role.ADMIN).member_id)
    for theirs in (program, admin):
        assert sender(head(AUTHORIZATION=f"bearer {theirs}")) == owner.organization_id
    for shown in (head(COOKIE=f"{COOKIE}={program}"), head(AUTHORIZATION="Bearer x"), head(), head(COOKIE="\xff=")):
        with pytest.raises(Unauthenticated):
            sender(shown)
    sessions.log_out(context, token)
    with pytest.raises(Unauthenticated):
        sender(head(AUTHORIZATION=f"Bearer {token}"))


def test_a_request_with_two_tokens_is_counted_for_who_is_let_in(
    sender: Callable[[dict[str, str]], str], context: Context, owner: Actor
) -> None:
    other = sign_up(context, "other@example.net")
    ours, theirs = (sign_in(context, each.member_id) for each in (owner, other))
    both = head(COOKIE=f"{COOKIE}={ours}", AUTHORIZATION=f"Bearer {theirs}")
    assert sender(both | {"PATH_INFO": "/policy"}) == owners_of(owner.organization_id)
    assert sender(both) == owners_of(other.organization_id)


def test_an_anonymous_request_is_counted_for_its_address(sender: Callable[[dict[str, str]], str]) -> None:
    for _ in range(STRANGERS.one[0].amount):
        with pytest.raises(Unauthenticated):
            sender(head("203.0.113.7"))
    with pytest.raises(TooMany):
        sender(head("203.0.113.7", X_FORWARDED_FOR="203.0.113.8"))
    with pytest.raises(Unauthenticated):
        sender(head("203.0.113.8"))
