"""Endpoints of machines are stored for a later hub, also while their organization is being changed or checked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from appliance.hub.front_door import FrontDoor
from appliance.hub.names import Names
from appliance.hub.plane.keyring import Keyring
from appliance.hub.plane.upkeep import Upkeep
from appliance.hub.wireguard import Backend
from appliance.model.keys import new_key_pair
from appliance.model.organization import Machine
from appliance.model.policy import Action, Policy
from appliance.store import Store, machines, times
from tests.appliance.sealed import ACME, OLD, opens

_KEY = new_key_pair().public
_WHERE = "192.0.2.1:40000"
_CHANGE_S = 0.3


@pytest.fixture
def store(sealed: Store) -> Store:
    """A store with an organization of one machine that was never heard from."""
    machine = Machine("m2", "mumbai", "mumbai", IPv4Address("10.100.0.2"), _KEY, (), times.now())
    with sealed.write() as transaction:
        machines.create(transaction, ACME, machine)
    return sealed


@pytest.fixture
def upkeep(store: Store, names: Names, backend: Backend, tmp_path: Path) -> Iterator[Upkeep]:
    """Upkeep of an organization in force, without the threads that look at it."""
    keyring = Keyring(store, opens(store, OLD))
    made = Upkeep(names, backend, FrontDoor(names, 51820), store, keyring.private_key, tmp_path / "rules")
    made.open()
    made.arbiter.restore(ACME)
    yield made
    made.tear_down()
    made.close()


def test_the_last_noting_waits_for_a_change(upkeep: Upkeep, store: Store, names: Names, backend: Backend) -> None:
    state = upkeep.plane.state(ACME)
    assert state is not None
    # As if the machine had been heard from there.
    backend.change(names.of(ACME), add=state.peers, remove=(), endpoints={_KEY: _WHERE})
    is_changing = threading.Event()

    def take_long() -> None:
        is_changing.set()
        time.sleep(_CHANGE_S)

    changed = replace(state, policy=Policy(Action.DENY))
    changing = threading.Thread(target=upkeep.plane.apply, args=(changed, take_long))
    changing.start()
    is_changing.wait()
    upkeep.note_endpoints()
    changing.join()
    with store.read() as transaction:
        assert machines.endpoints(transaction, ACME) == {_KEY: _WHERE}
