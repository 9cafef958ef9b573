"""Rate limits: attempts that are counted together, apart, or not at all."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from ipaddress import ip_network
from itertools import pairwise

import pytest

from appliance.model.errors import NotEnforced, TooMany, Unauthenticated
from appliance.service.machine_bounds import MOST_MACHINES
from appliance.web.limits import RateLimits
from appliance.web.payers import owners_of
from appliance.web.rates import (
    GUESSES_PER_ACCOUNT,
    INVITATIONS_RECEIVED,
    LETTERS,
    LETTERS_PER_RECIPIENT,
    LETTERS_RECEIVED,
    SIGN_UP_LETTERS,
    SIGN_UPS,
)

AT_ONCE = GUESSES_PER_ACCOUNT[0].amount
DAY_S = 86400.0


@pytest.fixture
def limits() -> RateLimits:
    return RateLimits(trusted=[ip_network("192.0.2.0/24"), ip_network("2001:db8:1::/48")], clock=lambda: 1000.0)


def guess(limits: RateLimits, address: str, email: str = "a@example.net", *, right: bool = False) -> None:
    with limits.guessing(address, email):
        if not right:
            raise Unauthenticated("wrong")


def use_up_sign_ups(limits: RateLimits, addresses: list[str]) -> None:
    for number in range(SIGN_UPS.one[0].amount):
        limits.sign_up(addresses[number % len(addresses)])


def test_an_ipv6_network_of_a_customer_counts_as_one_address(limits: RateLimits) -> None:
    use_up_sign_ups(limits, [f"2001:db8:0:7::{number:x}" for number in range(1, 50)])
    with pytest.raises(TooMany):
        limits.sign_up("2001:db8:0:7:ffff::1")
    limits.sign_up("2001:db8:0:8::1")


def test_an_ipv4_address_counts_alike_in_every_spelling(limits: RateLimits) -> None:
    use_up_sign_ups(limits, ["203.0.113.1", "::ffff:203.0.113.1"])
    with pytest.raises(TooMany) as refused:
        limits.sign_up("203.0.113.1")
    assert refused.value.retry_after is not None
    assert 0 < refused.value.retry_after <= 3600
    limits.sign_up("203.0.113.2")


def test_a_trusted_source_is_limited_in_guesses(limits: RateLimits) -> None:
    for _ in range(5000):
        limits.sign_up("192.0.2.9")
        limits.write("2001:db8:1::5", "acme")
        limits.read("::ffff:192.0.2.9", "acme")
        limits.stranger("192.0.2.9")
    for _ in range(AT_ONCE):
        with pytest.raises(Unauthenticated):
            guess(limits, "192.0.2.9")
    with pytest.raises(TooMany):
        guess(limits, "192.0.2.9")


@pytest.mark.parametrize(
    ("limit", "whose"),
    [
        ("letter", ["192.0.2.9", "a@example.net"]),
        ("sign_up_letter", ["192.0.2.9", "a@example.net"]),
        ("log_in", ["192.0.2.9", "a@example.net"]),
        ("log_in", ["192.0.2.9", None]),
        ("challenge", ["192.0.2.9"]),
        ("operator_log_in", ["192.0.2.9", "operator a@example.net"]),
        ("operator_change", ["a"]),
        ("operator_link", ["a"]),
        ("demo_flip", ["192.0.2.9"]),
    ],
)
def test_a_trusted_source_has_these_limits_too(limits: RateLimits, limit: str, whose: list[str | None]) -> None:
    for _ in range(200):
        with suppress(TooMany):
            getattr(limits, limit)(*whose)
    assert limits.refused


def test_an_organization_has_one_limit_for_all_its_addresses(limits: RateLimits) -> None:
    for number in range(60):
        limits.configuration(f"203.0.113.{number}", "acme")
    with pytest.raises(TooMany):
        limits.configuration("198.51.100.1", "acme")
    limits.configuration("198.51.100.1", "another")


@pytest.mark.parametrize("limit", ["read", "poll", "write"])
def test_owners_have_an_amount_that_nobody_else_uses_up(limits: RateLimits, limit: str) -> None:
    """Uses up an organization's amount as a member, then its owners', and counts the latter for both."""
    count = partial(getattr(limits, limit), "203.0.113.1")

    def taken(organization: str, *, is_owner: bool) -> int:
        for number in range(10_000):
            try:
                count(*((owners_of(organization),) if is_owner else ()), organization)
            except TooMany:
                return number
        raise AssertionError("there is no limit")

    most = taken("acme", is_owner=False)
    assert most in (300, 600, 3000)
    assert taken("acme", is_owner=True) == most
    for _ in range(most - 1):
        count(owners_of("other"), "other")
    assert taken("other", is_owner=False) == 1


def test_enablings_are_limited_to_the_most_machines_at_once(limits: RateLimits) -> None:
    for _ in range(MOST_MACHINES):
        limits.enabling("203.0.113.1", "acme")
    with pytest.raises(TooMany):
        limits.enabling("203.0.113.1", "acme")
    assert limits.refused["enablings", "one"] == 1
    limits.enabling("203.0.113.1", "another")


def test_right_passwords_and_internal_errors_do_not_count(limits: RateLimits) -> None:
    for _ in range(3 * AT_ONCE):
        guess(limits, "203.0.113.1", right=True)
        with pytest.raises(NotEnforced), limits.guessing("203.0.113.1", "a@example.net"):
            raise NotEnforced("a fault")


def test_waits_after_wrong_guesses_grow_for_a_day() -> None:
    """Guesses as often as the answers let, for two days."""
    now, waits, at = 1000.0, list[int](), list[float]()
    limits = RateLimits(clock=lambda: now)
    while now < 1000.0 + 2 * DAY_S:
        try:
            guess(limits, "203.0.113.1")
        except Unauthenticated:
            at.append(now)
        except TooMany as refused:
            waits.append(refused.retry_after or 0)
            now += waits[-1]
            assert waits[-1] > 0
    assert at[:AT_ONCE] == [1000.0] * AT_ONCE
    # Each was let as soon as its wait was over.
    assert len(waits) <= len(at) - AT_ONCE + 1
    grown = [wait for before, wait in pairwise(waits) if wait > before]
    assert waits == sorted(waits)
    assert len(grown) >= 2
    assert waits[-1] > 20 * waits[0] > 0
    assert max(sum(start <= each < start + DAY_S for each in at) for start in at) <= 100


def test_guesses_count_while_they_are_checked(limits: RateLimits) -> None:
    open_guesses = [limits.guessing("203.0.113.1", "a@example.net") for _ in range(AT_ONCE)]
    for each in open_guesses:
        each.__enter__()
    with pytest.raises(TooMany):
        guess(limits, "203.0.113.2")
    for each in open_guesses:
        each.__exit__(None, None, None)
    guess(limits, "203.0.113.2", right=True)


def test_guesses_of_others_lock_nobody_out_of_an_account(limits: RateLimits) -> None:
    guess(limits, "203.0.113.1", "A@example.net ", right=True)
    for number in range(AT_ONCE):
        with pytest.raises(Unauthenticated):
            guess(limits, f"198.51.100.{number}")
    with pytest.raises(TooMany):
        guess(limits, "198.51.100.77", right=True)
    guess(limits, "203.0.113.1", right=True)


def test_a_known_address_has_no_more_guesses_than_others(limits: RateLimits) -> None:
    guess(limits, "203.0.113.1", right=True)
    for _ in range(AT_ONCE):
        with pytest.raises(Unauthenticated):
            guess(limits, "203.0.113.1")
    with pytest.raises(TooMany):
        guess(limits, "203.0.113.1", right=True)


def test_guesses_of_one_address_at_many_accounts_are_limited(limits: RateLimits) -> None:
    for number in range(30):
        with pytest.raises(Unauthenticated):
            guess(limits, "203.0.113.1", f"{number}@example.net")
    with pytest.raises(TooMany):
        guess(limits, "203.0.113.1", "another@example.net")


def test_a_flood_of_requests_keeps_no_letter_from_members(limits: RateLimits) -> None:
    """Uses up the requests of everybody: members have theirs, where they are known or signed in."""
    guess(limits, "203.0.113.1", right=True)
    for number in range(LETTERS.everybody[0].amount):
        limits.letter(f"198.51.100.{number % 50}", f"{number}@example.net")
    with pytest.raises(TooMany):
        limits.letter("203.0.113.2", "a@example.net")
    with pytest.raises(TooMany):
        limits.letter("203.0.113.1", "another@example.net")
    assert limits.refused == {("letters", "everybody"): 2}
    limits.letter("203.0.113.1", "A@example.net ")
    limits.letter("203.0.113.2", "a@example.net", is_member=True)
    limits.sign_up_letter("203.0.113.2", "a@example.net")


def test_a_refused_letter_to_one_uses_nothing_else_up(limits: RateLimits) -> None:
    """Asks again and again from a known address, which does not count for everybody and so gives nothing back."""
    guess(limits, "203.0.113.1", right=True)
    for number in range(LETTERS.everybody[0].amount):
        limits.letter(f"198.51.100.{number % 50}", f"{number}@example.net")
    for _ in range(LETTERS_PER_RECIPIENT[0].amount):
        limits.letter("203.0.113.1", "a@example.net")
    for _ in range(100):
        with pytest.raises(TooMany):
            limits.letter("203.0.113.1", "a@example.net")
    with pytest.raises(TooMany):
        limits.letter("198.51.100.77", "b@example.net")
    assert limits.refused == {("letters-to-one", "one"): 100, ("letters", "everybody"): 1}


def test_requests_to_sign_up_keep_no_reset_from_anybody(limits: RateLimits) -> None:
    for _ in range(LETTERS_PER_RECIPIENT[0].amount):
        limits.sign_up_letter("198.51.100.1", "a@example.net")
    with pytest.raises(TooMany):
        limits.sign_up_letter("198.51.100.1", "a@example.net")
    for number in range(SIGN_UP_LETTERS.everybody[0].amount - LETTERS_PER_RECIPIENT[0].amount):
        limits.sign_up_letter(f"192.0.2.{number % 50}", f"{number}@example.net")
    with pytest.raises(TooMany):
        limits.sign_up_letter("203.0.113.2", "b@example.net")
    limits.letter("203.0.113.2", "a@example.net")


def test_an_address_receives_all_that_may_be_asked_for(limits: RateLimits) -> None:
    """Adds up invitations, letters of sign-ups and other requested ones: none keeps another from its recipient.

    Others invite a person, sign up with the address and ask to sign up with it, more often than they may.
    """
    email = "a@example.net"
    for _ in range(LETTERS_RECEIVED[0].amount):
        limits.is_letter_admitted(None, email, is_invitation=True)
        with suppress(TooMany):
            limits.sign_up_letter("203.0.113.2", email)
            limits.is_letter_admitted(None, email)
        limits.is_letter_admitted(None, email, is_of_sign_up=True)
    for _ in range(LETTERS_PER_RECIPIENT[0].amount):
        limits.letter("203.0.113.1", email)
        assert limits.is_letter_admitted(None, email)
    for received, invited, asked in zip(LETTERS_RECEIVED, INVITATIONS_RECEIVED, LETTERS_PER_RECIPIENT, strict=True):
        assert received.seconds == invited.seconds == asked.seconds
        assert received.amount >= invited.amount + 2 * asked.amount


@pytest.mark.parametrize("spelling", ["asha+{n}@example.net", "Asha+{n}@\uff45xample.net", "asha@ex\u24d0mple.net"])
def test_spellings_of_one_mailbox_share_its_limits(limits: RateLimits, spelling: str) -> None:
    most = LETTERS_RECEIVED[0].amount
    assert [limits.is_letter_admitted(None, spelling.format(n=number)) for number in range(most)] == [True] * most
    assert not limits.is_letter_admitted(None, "asha@example.net")
    for number in range(LETTERS_PER_RECIPIENT[0].amount):
        limits.letter(f"192.0.2.{number}", spelling.format(n=number))
    with pytest.raises(TooMany):
        limits.letter("192.0.2.200", "asha@example.net")
    assert limits.is_letter_admitted(None, "ravi+asha@example.net")
