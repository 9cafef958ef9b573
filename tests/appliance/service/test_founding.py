"""Organizations that are not founded: nothing remains, in an order that harms nobody else."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from appliance.hub.errors import HubError
from appliance.model.ids import new_organization_id
from appliance.model.organization import Plan
from appliance.service import Context
from appliance.service.founding import founded
from appliance.store import organizations
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
