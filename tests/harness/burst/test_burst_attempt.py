"""Collisions between organizations of a burst."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.burst.attempt import Attempt, collisions

ALONE = Attempt(
    0,
    began_ns=0,
    ended_ns=100,
    seconds=1.0,
    hub_key="one",
    addresses=("10.100.0.2", "10.100.0.3"),
    port=20000,
    existed_ns=(10, 20),
)
OTHER = replace(ALONE, number=1, hub_key="other", port=20001)


def test_equal_addresses_of_two_organizations_do_not_collide() -> None:
    assert collisions([ALONE, OTHER]) == []


def test_two_machines_with_one_address_collide() -> None:
    twice = replace(OTHER, addresses=("10.100.0.2", "10.100.0.2"))
    assert collisions([ALONE, twice]) == ["organization 1 has 10.100.0.2 for 2 of its machines"]


def test_a_hub_key_is_never_used_again() -> None:
    later = replace(OTHER, hub_key="one", existed_ns=(1000, 1010))
    assert collisions([ALONE, later]) == ["organizations 0 and 1 have the same hub key"]


@pytest.mark.parametrize(
    ("existed_ns", "collides"),
    [((15, 30), True), ((20, 30), True), ((5, 10), True), ((5, None), True), ((21, None), False), ((1, 9), False)],
)
def test_a_port_in_use_by_two_organizations_is_a_collision(existed_ns: tuple[int, int | None], collides: bool) -> None:
    other = replace(OTHER, port=20000, existed_ns=existed_ns)
    expected = ["the links of organizations 0 and 1 have port 20000"] if collides else []
    assert collisions([ALONE, other]) == expected


def test_failed_attempts_without_addresses_do_not_collide() -> None:
    assert collisions([Attempt(number, 0, 1, error="refused") for number in range(3)]) == []
