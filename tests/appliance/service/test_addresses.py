"""A removed machine's address is reused only after a quiet time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from ipaddress import IPv4Address

import pytest
from sqlalchemy import func, select

from appliance.model.addresses import QUIET_TIME
from appliance.model.errors import Conflict
from appliance.service import Actor, Context, machines, organizations
from appliance.store import schema
from tests.appliance.conftest import sign_up

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
INSTANT = timedelta(seconds=1)


def at(context: Context, moment: datetime) -> Context:
    """Returns this context with its clock at another time."""
    return replace(context, clock=lambda: moment)


@pytest.fixture
def small(context: Context) -> Actor:
    """Provides the owner of an organization with room for 13 machines, on the paid plan."""
    owner = sign_up(context, "small@example.net", network="192.168.7.0/28")
    organizations.change(context, owner, plan="paid")
    return owner


def fill(context: Context, owner: Actor, count: int = 13) -> list[str]:
    """Adds machines; returns their ids."""
    return [machines.add(context, owner, name=f"m{number}").machine.id for number in range(count)]


def test_an_address_is_reused_after_an_hour_and_not_before(context: Context, owner: Actor) -> None:
    context = at(context, NOON)
    first, _ = fill(context, owner, 2)
    machines.remove(context, owner, first)
    early = machines.add(at(context, NOON + QUIET_TIME - INSTANT), owner, name="early").machine
    assert str(early.address) == "10.100.0.4"
    machines.remove(at(context, NOON + QUIET_TIME), owner, early.id)
    late = machines.add(at(context, NOON + QUIET_TIME), owner, name="late").machine
    assert str(late.address) == "10.100.0.2"


def test_the_address_of_a_disabled_machine_has_its_quiet_time(context: Context, owner: Actor) -> None:
    context = at(context, NOON)
    first, _ = fill(context, owner, 2)
    machines.change(context, owner, first, enabled=False)
    machines.remove(context, owner, first)
    early = machines.add(at(context, NOON + QUIET_TIME - INSTANT), owner, name="early").machine
    assert str(early.address) == "10.100.0.4"


def test_a_full_range_is_reported(context: Context, small: Actor) -> None:
    fill(context, small)
    with pytest.raises(Conflict, match=r"192\.168\.7\.0/28 is taken: it has room for 13 machines") as full:
        machines.add(context, small, name="another")
    assert (full.value.field, full.value.retry_after) == (None, None)


def test_concurrent_adds_get_each_address_once_until_full(context: Context, small: Actor) -> None:
    def add(number: int) -> IPv4Address | None:
        try:
            return machines.add(context, small, name=f"m{number}").machine.address
        except Conflict:
            return None

    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(add, range(20)))
    assert sorted(filter(None, given)) == [IPv4Address("192.168.7.2") + number for number in range(13)]
    assert given.count(None) == 7


def test_a_range_of_quiet_addresses_tells_the_time_to_retry(context: Context, small: Actor) -> None:
    ids = fill(context, small)
    machines.remove(at(context, NOON + 2 * INSTANT), small, ids[3])
    machines.remove(at(context, NOON), small, ids[7])
    with pytest.raises(Conflict, match="2026-03-01 13:00:00 UTC") as full:
        machines.add(at(context, NOON + timedelta(minutes=20)), small, name="another")
    assert full.value.retry_after == 40 * 60
    again = machines.add(at(context, NOON + QUIET_TIME), small, name="another").machine
    assert str(again.address) == "192.168.7.9"


def test_quiet_addresses_are_counted_per_organization(context: Context, owner: Actor) -> None:
    (first,) = fill(context, owner, 1)
    machines.remove(context, owner, first)
    other = sign_up(context, "other@example.net")
    assert str(machines.add(context, other, name="a").machine.address) == "10.100.0.2"


def test_released_addresses_are_forgotten_after_the_quiet_time(context: Context, owner: Actor) -> None:
    for hours in range(4):
        moment = at(context, NOON + hours * QUIET_TIME)
        (machine,) = fill(moment, owner, 1)
        machines.remove(moment, owner, machine)
    with context.store.read() as transaction:
        assert transaction.execute(select(func.count()).select_from(schema.released_addresses)).scalar_one() == 1
