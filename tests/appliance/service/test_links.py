"""Links that set another password or verify an address: valid once, for a limited time, and disclosing no account."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event, select

from appliance.model.errors import Conflict, Invalid, NotFound, NotPossible, Unauthenticated
from appliance.model.letters import Letter
from appliance.service import (
    Actor,
    Context,
    accounts,
    organizations,
    password_change,
    resets,
    tickets,
    tokens,
    verification,
)
from appliance.service import log_in as login
from appliance.store import schema
from appliance.store.tickets import TicketKind
from tests.appliance.clocks import after
from tests.appliance.conftest import sign_up
from tests.appliance.letterbox import delivered
from tests.appliance.members import PASSWORD

EMAIL = "owner@example.net"
OTHER = "staple the correct horse"


@pytest.fixture
def context(context: Context) -> Context:
    return replace(context, sends_mail=True, site="https://hub.example.net")


@pytest.fixture
def arrived(context: Context) -> Callable[[], list[Letter]]:
    """Returns a function that sends all queued letters and returns them."""

    def collect() -> list[Letter]:
        resets.answer_all(context)
        return delivered(context)

    return collect


def token_in(letter: Letter | str, path: str) -> str:
    text = letter.text if isinstance(letter, Letter) else letter
    found = re.search(rf"https://hub\.example\.net/{path}\?token=(mwl_\S+)", text)
    assert found is not None
    return found[1]


def log_in(context: Context, password: str) -> str:
    return login.log_in(context, email=EMAIL, password=password).token


def actions(context: Context, actor: Actor) -> list[tuple[str, str]]:
    return [(entry.action, entry.actor) for entry in organizations.trail(context, actor)[0]]


def test_a_link_from_a_letter_sets_another_password_once(
    context: Context, owner: Actor, arrived: Callable[[], list[Letter]]
) -> None:
    arrived()
    session = log_in(context, PASSWORD)
    resets.ask(context, " Owner@Example.net ")
    (letter,) = arrived()
    assert letter.recipient == EMAIL
    token = token_in(letter, "reset")
    resets.complete(context, token, OTHER)
    with pytest.raises(Unauthenticated):
        accounts.actor_of(context, session)
    with pytest.raises(Unauthenticated):
        log_in(context, PASSWORD)
    log_in(context, OTHER)
    with pytest.raises(NotFound):
        resets.complete(context, token, "yet another password")
    assert actions(context, owner)[1:3] == [("password.reset", EMAIL), ("reset.sent", "somebody")]


def test_a_reset_request_does_the_same_without_an_account(context: Context, owner: Actor) -> None:
    """Compares the database's statements with and without an account: equal ones take equally long."""
    del owner
    asked: dict[str, list[str]] = {}
    for email in (EMAIL, "nobody@example.net"):
        statements = asked.setdefault(email, [])

        def hear(_: object, __: object, statement: str, *___: object, heard: list[str] = statements) -> None:
            heard.append(statement)

        event.listen(Engine, "before_cursor_execute", hear)
        resets.ask(context, email)
        event.remove(Engine, "before_cursor_execute", hear)
    assert asked[EMAIL] == asked["nobody@example.net"] != []


def test_an_address_without_an_account_is_neither_sent_nor_kept(
    context: Context, owner: Actor, arrived: Callable[[], list[Letter]]
) -> None:
    del owner
    arrived()
    resets.ask(context, "nobody@example.net")
    assert arrived() == []
    with context.store.read() as transaction:
        assert transaction.execute(select(schema.reset_requests)).all() == []


def test_only_the_last_link_is_valid_and_for_an_hour(context: Context, owner: Actor) -> None:
    del owner
    first, second = (token_in(resets.issue(context, EMAIL), "reset") for _ in range(2))
    with pytest.raises(NotFound):
        resets.complete(context, first, OTHER)
    with pytest.raises(NotFound):
        resets.complete(after(context, timedelta(hours=1)), second, OTHER)
    with pytest.raises(Invalid):
        resets.complete(context, second, "short")
    resets.complete(after(context, timedelta(minutes=59)), second, OTHER)


def test_link_tokens_are_hashed_and_valid_for_one_purpose(context: Context, owner: Actor) -> None:
    del owner
    token = token_in(resets.issue(context, EMAIL), "reset")
    with context.store.read() as transaction:
        (row,) = transaction.execute(select(schema.tickets)).all()
    assert row.token_hash == tokens.hash_of(token)
    assert token not in repr(row)
    with pytest.raises(NotFound):
        verification.confirm(context, token)
    with pytest.raises(Unauthenticated):
        accounts.actor_of(context, token)


def test_a_password_change_ends_links_to_set_a_password(context: Context, owner: Actor) -> None:
    token = token_in(resets.issue(context, EMAIL), "reset")
    password_change.change(context, owner, password=PASSWORD, new_password=OTHER)
    with pytest.raises(NotFound):
        resets.complete(context, token, PASSWORD)


def test_a_link_for_an_unknown_address_is_refused_to_operators(context: Context, owner: Actor) -> None:
    with pytest.raises(NotFound):
        resets.issue(context, "nobody@example.net")
    resets.issue(context, EMAIL)
    assert actions(context, owner)[0] == ("reset.issued", "operator")


def test_without_mail_a_reset_request_says_so(context: Context, owner: Actor) -> None:
    del owner
    for email in (EMAIL, "nobody@example.net"):
        with pytest.raises(NotPossible):
            resets.ask(replace(context, sends_mail=False), email)


def test_the_letter_of_the_sign_up_verifies_the_address(
    context: Context, owner: Actor, arrived: Callable[[], list[Letter]]
) -> None:
    (letter,) = arrived()
    token = token_in(letter, "verify")
    assert accounts.member_of(context, owner).verified_at is None
    verification.confirm(context, token)
    assert accounts.member_of(context, owner).verified_at is not None
    with pytest.raises(NotFound):
        verification.confirm(context, token)
    with pytest.raises(Conflict):
        verification.ask_again(context, owner)
    assert actions(context, owner)[0] == ("address.verified", EMAIL)


def test_a_second_letter_ends_the_first_letter_s_link(
    context: Context, owner: Actor, arrived: Callable[[], list[Letter]]
) -> None:
    (first,) = arrived()
    verification.ask_again(context, owner)
    (second,) = arrived()
    with pytest.raises(NotFound):
        verification.confirm(context, token_in(first, "verify"))
    verification.confirm(context, token_in(second, "verify"))


def test_a_second_letter_replaces_a_first_one_that_waits(
    context: Context, owner: Actor, arrived: Callable[[], list[Letter]]
) -> None:
    verification.ask_again(context, owner)
    (letter,) = arrived()
    verification.confirm(context, token_in(letter, "verify"))


def test_the_operator_hands_out_links_without_mail(context: Context) -> None:
    silent = replace(context, sends_mail=False)
    actor = sign_up(silent, "silent@example.net")
    with pytest.raises(NotPossible):
        verification.ask_again(silent, actor)
    link = verification.issue(silent, "silent@example.net")
    assert actions(silent, actor)[0] == ("verification.issued", "operator")
    verification.confirm(silent, token_in(link, "verify"))
    with pytest.raises(Conflict):
        verification.issue(silent, "silent@example.net")


def test_expired_link_tokens_are_removed(context: Context, owner: Actor) -> None:
    member = accounts.member_of(context, owner)
    with context.store.write() as transaction:
        tickets.issue(context, transaction, member, TicketKind.VERIFICATION)
    later = after(context, timedelta(days=4))
    resets.issue(later, EMAIL)
    with context.store.read() as transaction:
        assert len(transaction.execute(select(schema.tickets)).all()) == 1
