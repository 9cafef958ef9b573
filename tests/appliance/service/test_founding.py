"""Organizations that are not founded: nothing remains, in an order that harms nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network

import pytest

from appliance.hub.errors import HubError
from appliance.model.errors import NotEnforced
from appliance.model.ids import new_organization_id
from appliance.model.organization import Plan
from appliance.model.ports import FIRST_PORT
from appliance.service import Context
from appliance.service.founding import founded
from appliance.store import organizations, people
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub


def free_port(context: Context) -> int:
    """Returns the port that the next organization would get."""
    with context.store.read() as transaction:
        return organizations.free_ports(transaction, 1)[0]


def abandon(context: Context) -> int:
    """Begins an organization and gives it up; returns its port."""
    network = IPv4Network("10.100.0.0/16")
    with (
        pytest.raises(KeyError),
        founded(context, new_organization_id(), name="acme", network=network, plan=Plan.FREE) as begun,
    ):
        raise KeyError("a link that somebody else has used")
    return begun.port


def test_a_port_stays_taken_as_long_as_the_hub_has_it(
    context: Context, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another sign-up at that moment would otherwise get a port that the hub refuses it."""
    seen, remove = list[int](), hub.remove

    def look(organization: str) -> None:
        seen.append(free_port(context))
        remove(organization)

    monkeypatch.setattr(hub, "remove", look)
    port = abandon(context)
    assert len(seen) == 1
    assert seen[0] != port
    assert (free_port(context), hub.enforced) == (port, {})


def test_nothing_is_stored_if_the_hub_removes_nothing(
    context: Context, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub removes what the store does not know when it is there again."""

    def refuse(_: str) -> None:
        raise HubError("told to refuse")

    monkeypatch.setattr(hub, "remove", refuse)
    port = abandon(context)
    assert free_port(context) == port


def test_a_sign_up_without_a_port_leaves_nothing(
    context: Context, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(organizations, "LAST_PORT", FIRST_PORT + 1)
    for number in range(2):
        sign_up(context, f"owner{number}@example.net")
    with pytest.raises(NotEnforced, match="no UDP port left"):
        sign_up(context, "late@example.net")
    with context.store.read() as transaction:
        assert organizations.count_ports(transaction) == len(hub.enforced) == 2
        assert people.by_email(transaction, "late@example.net") is None


def test_a_port_that_was_taken_meanwhile_is_passed_over(
    context: Context, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = hub.free_ports

    def overtaken(candidates: Sequence[int], most: int) -> Sequence[int]:
        monkeypatch.setattr(hub, "free_ports", look)
        sign_up(context, "first@example.net")
        return look(candidates, most)

    monkeypatch.setattr(hub, "free_ports", overtaken)
    sign_up(context, "second@example.net")
    assert sorted(each.port for each in hub.enforced.values()) == [FIRST_PORT, FIRST_PORT + 1]


def test_only_the_ports_in_question_are_looked_up(context: Context) -> None:
    sign_up(context, "owner@example.net")
    with context.store.read() as transaction:
        assert (
            organizations.lowest_free_port(transaction, [FIRST_PORT + 2, FIRST_PORT + 1, FIRST_PORT]) == FIRST_PORT + 1
        )
        assert organizations.lowest_free_port(transaction, [FIRST_PORT]) is None
        assert organizations.lowest_free_port(transaction, []) is None
