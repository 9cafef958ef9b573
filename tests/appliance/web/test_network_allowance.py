"""Rate limits of networks with many addresses, and memory for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from appliance.model.errors import TooMany, Unauthenticated
from appliance.web.allowance import Allowance, Rate
from appliance.web.limits import RateLimits
from appliance.web.network_allowance import EVERYBODY, NetworkAllowance, NetworkRates
from appliance.web.proxies import networks_of
from appliance.web.rates import (
    CHALLENGES,
    GUESSES,
    LETTERS,
    LOG_INS,
    OPERATOR_STRANGERS,
    PUBLIC_POLLS,
    SIGN_UP_LETTERS,
    SIGN_UPS,
    STRANGERS,
)

RATES = NetworkRates((Rate(4, 60),), everybody=(Rate(40, 60),))
PROVIDER = int(IPv6Address("2001:db8::"))
AMOUNT = {64: 4, 56: 8, 48: 16, 0: 40}


def address(number: int) -> str:
    """Makes an address of a provider's /32, which has 65,536 /48 and as many /64 in each."""
    return str(IPv6Address(PROVIDER + number))


ADDRESSES = st.builds(
    lambda customer, building, floor, host: address(customer << 80 | building << 72 | floor << 64 | host),
    st.integers(0, 4),
    st.integers(0, 2),
    st.integers(0, 3),
    st.integers(0, 2**64 - 1),
)


@given(st.lists(ADDRESSES, max_size=120))
def test_no_network_gets_more_than_its_share(asking: list[str]) -> None:
    allowance = NetworkAllowance(RATES, clock=lambda: 1000.0)
    admitted = [each for each in asking if allowance.take(each) is None]
    for length, amount in AMOUNT.items():
        counts = Counter(ip_network((each, length), strict=False) for each in admitted)
        assert all(count <= amount for count in counts.values())


@given(st.lists(ADDRESSES, max_size=60))
def test_a_refused_caller_uses_up_no_allowance(asking: list[str]) -> None:
    allowance, again = NetworkAllowance(RATES, clock=lambda: 1000.0), NetworkAllowance(RATES, clock=lambda: 1000.0)
    admitted = [each for each in asking if allowance.take(each) is None]
    assert all(again.take(each) is None for each in admitted)
    for each in admitted:
        again.give_back(each)
    assert all(again.take(each) is None for each in admitted)


def test_a_refusal_names_the_level_that_refused() -> None:
    allowance = NetworkAllowance(RATES, clock=lambda: 1000.0)
    found = {}
    for number in range(200):
        wait = allowance.take(address(number << 68))
        if wait is not None:
            found[wait.level] = wait.network
    for customer in range(200):
        wait = allowance.take(address(customer << 80))
        if wait is not None:
            found[wait.level] = wait.network
    assert found["/48"] == "2001:db8::/48"
    assert found[EVERYBODY] == EVERYBODY
    assert allowance.take("203.0.113.7") is not None
    assert allowance.take("203.0.113.7", as_everybody=False) is None


@pytest.mark.long
def test_a_network_has_no_more_entries_than_admitted_calls() -> None:
    """Calls from a million addresses of one customer, whose entries must displace no other's."""
    allowance = NetworkAllowance(RATES, clock=lambda: 1000.0)
    for number in range(2_000):
        allowance.take(address(number << 64))
    assert len(allowance) <= 3 * AMOUNT[48]
    for number in range(2_000):
        allowance.take(address(number << 80))
    assert len(allowance) <= 3 * AMOUNT[0]


@pytest.mark.parametrize("rates", [SIGN_UPS, GUESSES, LOG_INS, STRANGERS, CHALLENGES, LETTERS, SIGN_UP_LETTERS])
def test_the_rate_for_everybody_bounds_the_memory(rates: NetworkRates) -> None:
    """Counts the calls within the longest lifetime of an entry: fewer than there is room for."""
    longest = max(rate.interval for rate in rates.one)
    assert all(rate.amount + longest / rate.interval < 50_000 for rate in rates.everybody)


def test_a_heavy_caller_is_not_displaced_by_single_calls() -> None:
    now = 1000.0
    allowance = Allowance(Rate(5, 60), Rate(50, 86_400), most=100, clock=lambda: now)
    while not allowance.take("guesser"):
        now += 20
    for number in range(5000):
        allowance.take(f"passer-by {number}")
    assert len(allowance) == 100
    assert allowance.take("guesser") > 0


def test_an_ipv4_address_is_counted_by_itself() -> None:
    assert networks_of("203.0.113.9") == networks_of("::ffff:203.0.113.9") == ("203.0.113.9",)
    assert networks_of("2001:db8:1:203::9") == ("2001:db8:1:203::/64", "2001:db8:1:200::/56", "2001:db8:1::/48")


@pytest.mark.long
@pytest.mark.parametrize("what", ["sign_up", "stranger", "challenge"])
def test_the_addresses_of_a_customer_s_network_count_together(what: str) -> None:
    limits = RateLimits(clock=lambda: 1000.0)
    for number in range(3_000):
        with suppress(TooMany):
            getattr(limits, what)(address(number << 64))
    with pytest.raises(TooMany):
        getattr(limits, what)(address(123 << 64))
    getattr(limits, what)(address(1 << 80))
    getattr(limits, what)("203.0.113.7")
    assert {level for _, level in limits.refused} <= {"/56", "/48"}


def test_a_flood_of_guesses_leaves_known_addresses_admitted() -> None:
    limits = RateLimits(clock=lambda: 1000.0)
    with limits.guessing("203.0.113.7", "a@example.net"):
        pass
    for number in range(2000):
        with suppress(TooMany, Unauthenticated), limits.guessing(address(number << 80), f"{number}@example.net"):
            raise Unauthenticated("wrong")
    with pytest.raises(TooMany), limits.guessing("203.0.113.8", "a@example.net"):
        pass
    assert ("guesses", EVERYBODY) in limits.refused
    with limits.guessing("203.0.113.7", "a@example.net"):
        pass


OF_STRANGERS = [
    ("stranger", STRANGERS),
    ("operator_stranger", OPERATOR_STRANGERS),
    ("public_poll", PUBLIC_POLLS),
    ("challenge", CHALLENGES),
]


def use_up_everybody_s(count: Callable[[str], None], rates: NetworkRates) -> None:
    """Uses up what everybody may do, from as few customers' networks as it takes."""
    for number in range(rates.everybody[0].amount):
        count(address(number % 100 << 80))


@pytest.mark.parametrize(("what", "rates"), OF_STRANGERS, ids=[what for what, _ in OF_STRANGERS])
def test_a_flood_of_calls_leaves_known_addresses_admitted(what: str, rates: NetworkRates) -> None:
    limits = RateLimits(clock=lambda: 1000.0)
    count = getattr(limits, what)
    limits.remember("203.0.113.7", "a@example.net")
    use_up_everybody_s(count, rates)
    with pytest.raises(TooMany):
        count("203.0.113.8")
    for _ in range(rates.one[0].amount):
        count("203.0.113.7")
    with pytest.raises(TooMany):
        count("203.0.113.7")
    assert {level for _, level in limits.refused} == {EVERYBODY, "address"}


def test_a_flood_leaves_log_ins_by_passkey_admitted() -> None:
    limits = RateLimits(clock=lambda: 1000.0)
    limits.remember("203.0.113.7", "a@example.net")
    use_up_everybody_s(lambda source: limits.log_in(source, None), LOG_INS)
    with pytest.raises(TooMany):
        limits.log_in("203.0.113.8", None)
    with pytest.raises(TooMany):
        limits.log_in("203.0.113.7", "another@example.net")
    limits.log_in("203.0.113.7", None)


def test_right_passwords_count_against_the_log_in_limit() -> None:
    limits = RateLimits(clock=lambda: 1000.0)
    for _ in range(LOG_INS.one[0].amount):
        limits.log_in("203.0.113.7", "a@example.net")
    with pytest.raises(TooMany):
        limits.log_in("203.0.113.7", "a@example.net")


def test_log_ins_from_many_addresses_displace_no_other_account_s() -> None:
    limits = RateLimits(clock=lambda: 1000.0, most_known=100)
    with limits.guessing("203.0.113.7", "a@example.net"):
        pass
    for number in range(500):
        with limits.guessing(address(number << 80), "mine@example.net"):
            pass
    assert limits.is_known("203.0.113.7", "A@example.net ")
    assert limits.is_known(address(499 << 80), "mine@example.net")
    assert not limits.is_known(address(0), "mine@example.net")
    assert limits.is_known("203.0.113.7")
    assert limits.is_known(address(499 << 80))
    assert not limits.is_known(address(0))


def test_an_address_is_known_while_one_of_its_accounts_is() -> None:
    limits = RateLimits(clock=lambda: 1000.0, most_known=2)
    for account in ("a", "a", "b"):
        limits.remember("203.0.113.7", account)
    limits.remember("198.51.100.1", "c")
    assert not limits.is_known("203.0.113.7", "a")
    assert limits.is_known("203.0.113.7")
    limits.remember("198.51.100.1", "d")
    assert not limits.is_known("203.0.113.7")
    assert limits.is_known("198.51.100.1")


def test_a_reached_limit_is_counted_and_logged_once_a_minute() -> None:
    limits = RateLimits(clock=lambda: 1000.0)
    with capture_logs() as lines:
        for number in range(5000):
            with suppress(TooMany):
                limits.sign_up(f"203.0.113.{number % 5}")
    assert limits.refused == {("sign-ups", "address"): 4900}
    assert [(line["limit"], line["of"], line["network"]) for line in lines] == [("sign-ups", "address", "203.0.113.0")]
