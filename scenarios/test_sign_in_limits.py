"""Sign-ups, guesses and changes meet limits: of the network, the account or the organization that they come from."""

from __future__ import annotations

import secrets
from functools import partial

import pytest

from harness.hostile import strangers
from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.world.person import Person
from harness.world.world import World

pytestmark = pytest.mark.claim("sign-in")

# Four times the limit of one address per hour, and what the limit refills meanwhile.
MOST_SIGN_UPS = 90
MOST_GUESSES = 60
"""Twice the wrong passwords that one address may send in a minute, to however many accounts."""
MOST_CHANGES = {"invalid machines": 120, "invalid rules": 900}
"""Changes by calls that are sent at most, by kind: twice and three times what an organization may send in a minute."""


def test_a_customer_s_many_addresses_share_one_limit(world: World, record: Record) -> None:
    """Sign-ups from ever new addresses of one provider's customer meet a limit; those of other customers don't.

    Each names an address that its sender made up, before the one that the proxy adds.
    """
    not_refused = partial(_not_refused, world, "invalid sign-ups")
    # A new customer for each run, because limits last an hour.
    customer, neighbour = (f"2001:db8:{part:x}::/48" for part in secrets.SystemRandom().sample(range(1, 2**16), 2))
    with record.control("a sign-up from one address is not refused"):
        assert not_refused(_one_address(), 1) == 1
    many = not_refused(customer, MOST_SIGN_UPS * 2)
    record.measure("sign-ups of one customer that no limit refused", many, limit=f"<= {MOST_SIGN_UPS}")
    if many > MOST_SIGN_UPS:
        raise Refuted(f"{many} sign-ups of one customer passed the limit, from an address each")
    with record.control("another customer's sign-up is not refused"):
        assert not_refused(neighbour, 1) == 1


def test_guesses_at_many_accounts_share_the_address_s_limit(world: World, record: Record) -> None:
    """Wrong passwords from one address meet a limit, although each is for another account; other addresses go on."""
    wrong = partial(_not_refused, world, "log-ins")
    with record.control("a wrong password from one address is checked"):
        assert wrong(_one_address(), 1) == 1
    guesses = wrong(_one_address(), 2 * MOST_GUESSES)
    record.measure("wrong passwords for an account each that no limit refused", guesses, limit=f"<= {MOST_GUESSES}")
    if guesses > MOST_GUESSES:
        raise Refuted(f"{guesses} wrong passwords of one address were checked, for an account each")
    with record.control("another address's wrong password is checked"):
        assert wrong(_one_address(), 1) == 1


def test_changes_of_an_organization_are_limited(world: World, person: Person, record: Record) -> None:
    """Calls that change something meet a limit of their organization, whatever address they come from, and new machines
    a lower one. Those of another organization go on.
    """
    other = world.organization(record)
    for kind, most in MOST_CHANGES.items():
        network = f"2001:db8:{secrets.randbelow(2**16):x}::/48"
        with record.control(f"one of the {kind} is not refused"):
            assert _not_refused(world, kind, network, 1, person.api.token) == 1
        sent = _not_refused(world, kind, network, most, person.api.token)
        record.measure(f"{kind} that no limit refused", sent, limit=f"< {most}")
        if sent >= most:
            raise Refuted(f"{sent} {kind} of one organization were not refused")
        with record.control("another organization's are not refused"):
            assert _not_refused(world, kind, network, 1, other.api.token) == 1


def _one_address() -> str:
    """Draws an address from so many that no two are in one network, because limits last an hour."""
    return f"2001:db8:{secrets.randbelow(2**16):x}:{secrets.randbelow(2**16):x}::1/128"


def _not_refused(world: World, kind: str, network: str, count: int, token: str | None = None) -> int:
    """Sends requests that create nothing; returns how many of them no limit refused."""
    service = world.subject.service
    with strangers.sending(
        world.proxy().start_tool,
        service.url,
        kind,
        certificate=service.certificate,
        token=token,
        network=network,
        count=count,
        connections=2,
    ) as answers:
        pass
    return answers.not_refused
