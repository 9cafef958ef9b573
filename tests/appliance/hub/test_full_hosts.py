"""A hub whose host or memory is full: new organizations and growth are refused, and everything else goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from appliance.host.resources import Resources
from appliance.hub.errors import Crowded
from appliance.hub.front_door import FrontDoor
from appliance.hub.names import Names
from appliance.hub.plane.host_room import HostRoom
from appliance.hub.plane.wanted_states import WantedStates
from appliance.hub.rpc.messages import Apply, HubStatus, Status
from appliance.hub.service import Hub
from appliance.model.desired import Desired, Peer
from appliance.store import Store, organizations
from tests.appliance.hub.standins import NO_BACKEND
from tests.appliance.sealed import ACME, OLD, opens


@pytest.fixture
def taken() -> list[Desired]:
    """Provides a list of the states that reach the data plane."""
    return []


@pytest.fixture
def hub(sealed: Store, tmp_path: Path, taken: list[Desired], monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    names = Names("abc")
    made = Hub(names, NO_BACKEND, FrontDoor(names, 51820), sealed, opens(sealed, OLD), tmp_path / "rules")

    def apply(_: str, desired: Desired, **_facts: object) -> None:
        taken.append(desired)

    monkeypatch.setattr(made.upkeep.arbiter, "apply", apply)
    yield made
    made.upkeep.close()


@pytest.fixture
def stored(sealed: Store) -> Desired:
    with sealed.read() as transaction:
        found = organizations.desired(transaction, ACME)
    assert found is not None
    return found


def _full() -> Resources:
    return Resources({"memory": 99}, {"memory": 100})


def test_a_full_host_takes_no_sign_up(hub: Hub, stored: Desired, taken: list[Desired]) -> None:
    hub.host_room = HostRoom(_full)
    with pytest.raises(Crowded, match="sign up"):
        hub.answer(Apply(ACME, stored, base=1, revision=1))
    assert taken == []
    status = hub.answer(Status())
    assert isinstance(status, HubStatus)
    assert status.work["refused_host"] == 1


def test_a_full_host_takes_changes(hub: Hub, stored: Desired, taken: list[Desired]) -> None:
    """Changes an organization that the hub has not restored yet, and one that it has."""
    hub.host_room = HostRoom(_full)
    hub.answer(Apply(ACME, stored, base=1, revision=2))
    hub.upkeep.plane.wanted_states.keep(stored)
    hub.answer(Apply(ACME, stored, base=2, revision=2))
    assert taken == [stored, stored]


def test_full_memory_takes_nothing_large(hub: Hub, stored: Desired, taken: list[Desired]) -> None:
    hub.upkeep.plane.wanted_states = WantedStates(most_bytes=100_000)
    machines = tuple(Peer(f"m{at}", "k", IPv4Address("10.100.0.2") + at) for at in range(1000))
    with pytest.raises(Crowded, match="memory"):
        hub.answer(Apply(ACME, replace(stored, peers=machines), base=1, revision=2))
    hub.answer(Apply(ACME, replace(stored, peers=machines[:10]), base=1, revision=2))
    assert [len(each.peers) for each in taken] == [10]
    status = hub.answer(Status())
    assert isinstance(status, HubStatus)
    assert (status.work["refused_memory"], status.used["states"], status.room["states"]) == (1, 0, 100_000)
