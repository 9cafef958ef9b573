"""The front door of an owner, and the gate that its lease keeps open, are proven as they are on its host."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from appliance.hub.names import Names
from appliance.store import Store
from harness.proof import Policy
from harness.world.doorproving import DoorProven, prove_front_door
from harness.world.organizations import Organization
from tests.appliance.cluster.hub_hosts import SHARD, HubHost, HubHosts, hub_hosts, place_acme
from tests.appliance.databases import on_postgresql
from tests.appliance.sealed import ACME
from tests.waiting import wait_until

pytestmark = pytest.mark.full

_GATE = Names(SHARD.id).gate


@pytest.fixture
def owner(database: str, store: Store, tmp_path: Path) -> Iterator[HubHost]:
    """Provides the host of a shard with one organization."""
    place_acme(store)
    with hub_hosts(HubHosts, store, database, tmp_path, 1) as made:
        made.start(made.hubs[0])
        found = made.owner()
        wait_until(lambda: found.processes[-1].log_text().count("organization enforced") > 0, made.logs)
        yield found


def proven(hub: HubHost) -> DoorProven:
    """Proves the front door of a host."""
    nothing = Policy(IPv4Network("10.100.0.0/16"), (), "deny", ())
    acme = Organization(ACME, ACME, 0, nothing, {})
    return prove_front_door([acme], lambda words: hub.host.run(*words).stdout, are_all=True)


@on_postgresql
def test_an_owner_s_front_door_and_gate_are_proven(owner: HubHost) -> None:
    found = proven(owner)
    assert found.wrong == ()
    assert any("lease" in claim for claim in found.certificate.claims)


@on_postgresql
def test_a_gate_that_was_opened_by_hand_is_refuted(owner: HubHost) -> None:
    # Its hub would renew what is opened here.
    owner.processes[-1].signal(signal.SIGSTOP)
    owner.host.run("nft", "add", "element", "inet", _GATE, "counts0", "{ 17 }")
    owner.host.run("nft", "flush", "set", "inet", _GATE, "offered0")
    owner.host.run("nft", "add", "element", "inet", _GATE, "offered0", "{ 17 }")
    assert any("does not take in time" in each for each in proven(owner).wrong)
    owner.host.run("nft", "insert", "rule", "inet", _GATE, "judge", "accept")
    assert any("passes the gate while no lease counts" in each for each in proven(owner).wrong)
