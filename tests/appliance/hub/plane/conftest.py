"""Fixtures of the upkeep of organizations."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from appliance.hub.names import Names
from appliance.hub.plane.keyring import Keyring
from appliance.hub.plane.upkeep import Upkeep
from appliance.model.desired import Desired, Peer
from appliance.model.keys import new_key_pair
from appliance.model.policy import ANYONE, Action, Policy, Protocol, Rule
from appliance.model.port_ranges import parse_ports
from appliance.store import Store
from tests.appliance.hub.standins import NO_BACKEND, NoDoor
from tests.appliance.sealed import OLD, opens


@pytest.fixture
def door() -> NoDoor:
    return NoDoor(Names("abc"), 51820)


@pytest.fixture
def upkeep(sealed: Store, door: NoDoor, tmp_path: Path) -> Upkeep:
    """Provides upkeep that is not open yet; a test has to close it."""
    keyring = Keyring(sealed, opens(sealed, OLD))
    return Upkeep(Names("abc"), NO_BACKEND, door, sealed, keyring.private_key, tmp_path / "rules")


@pytest.fixture
def state(desired: Desired) -> Desired:
    """Provides the state of an organization with two machines and a rule."""
    policy = Policy(Action.ALLOW, (Rule("x", Action.DENY, ANYONE, ANYONE, Protocol.TCP, parse_ports("22")),))
    machines = tuple(Peer(f"m{n}", new_key_pair().public, IPv4Address("10.100.0.2") + n) for n in range(2))
    return replace(desired, peers=machines, policy=policy)
