"""Endpoints of machines are stored as the data plane knows them, and those that are stored already not again."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from appliance.hub.plane.endpoint_notes import EndpointNotes
from appliance.model.desired import Desired
from appliance.model.keys import new_key_pair
from appliance.model.organization import Machine
from appliance.store import Store, machines, organizations, times
from tests.appliance.sealed import ACME

_KEYS = [new_key_pair().public for _ in range(3)]


def add(store: Store, number: int, name: str) -> None:
    """Stores a machine with the key of this number."""
    machine = Machine(name, name, name, IPv4Address("10.100.0.2") + number, _KEYS[number], (), times.now())
    with store.write() as transaction:
        machines.create(transaction, ACME, machine)


def state_of(store: Store) -> Desired:
    """Reads the stored state."""
    with store.read() as transaction:
        found = organizations.standing(transaction, ACME, None)
    assert found is not None
    assert found.desired is not None
    return found.desired


class Scene:
    """A data plane that has heard what a test says, the notes of it, and what they wrote."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(3):
            add(store, number, f"m{number}")
        self.store = store
        self.desired = state_of(store)
        self.heard: dict[str, str] = {}
        self.written: list[Any] = []
        self.notes = EndpointNotes(store, self)
        store_them, read = machines.note_endpoints, machines.endpoints
        self.reads = 0

        def write(transaction: Any, organization: str, heard: Any) -> None:
            self.written.append(heard)
            store_them(transaction, organization, heard)

        def count(transaction: Any, organization: str) -> dict[str, str]:
            self.reads += 1
            return read(transaction, organization)

        monkeypatch.setattr(machines, "note_endpoints", write)
        monkeypatch.setattr(machines, "endpoints", count)

    def state(self, _: str) -> Desired:
        return self.desired

    def note_endpoints(self, _organization: str, _patience_s: float) -> dict[str, str]:
        return dict(self.heard)

    def note(self) -> list[Any]:
        """Notes the endpoints twice; gives what was written."""
        self.written.clear()
        for _ in range(2):
            self.notes.note(ACME, 0.0)
        return list(self.written)

    def stored(self) -> dict[str, str]:
        """Reads the stored endpoints."""
        with self.store.read() as transaction:
            return machines.endpoints(transaction, ACME)


@pytest.fixture
def scene(sealed: Store, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(sealed, monkeypatch)


def test_only_endpoints_that_have_changed_are_written(scene: Scene) -> None:
    scene.heard = dict.fromkeys(_KEYS, "192.0.2.1:40000")
    assert scene.note() == [scene.heard]
    scene.heard[_KEYS[1]] = "192.0.2.1:40001"
    assert scene.note() == [{_KEYS[1]: "192.0.2.1:40001"}]
    assert scene.stored() == scene.heard


def test_endpoints_that_are_stored_are_not_read_again(scene: Scene) -> None:
    scene.heard = dict.fromkeys(_KEYS, "192.0.2.1:40000")
    scene.note()
    before = scene.reads
    assert scene.note() == []
    assert scene.reads == before
    # The organization left this hub meanwhile.
    scene.notes.keep_only(())
    assert scene.note() == []
    assert scene.reads == before + 1


def test_endpoints_a_predecessor_stored_are_not_written(scene: Scene) -> None:
    scene.heard = dict.fromkeys(_KEYS, "192.0.2.1:40000")
    scene.note()
    scene.notes = EndpointNotes(scene.store, scene)
    assert scene.note() == []


def test_a_machine_heard_before_it_is_stored_is_noted(scene: Scene) -> None:
    """A change is enforced before its commit, and its machine may be quick."""
    scene.heard = {_KEYS[2]: "192.0.2.1:40000"}
    with scene.store.write() as transaction:
        machines.remove(transaction, ACME, "m2")
    scene.note()
    assert scene.stored() == {}
    add(scene.store, 2, "m2")
    scene.note()
    assert scene.stored() == scene.heard


def test_a_machine_added_again_with_its_key_is_noted(scene: Scene) -> None:
    """It is where it was, and the data plane remembers that of its key."""
    scene.heard = {_KEYS[2]: "192.0.2.1:40000"}
    scene.note()
    with scene.store.write() as transaction:
        machines.remove(transaction, ACME, "m2")
    add(scene.store, 2, "m9")
    scene.desired = replace(scene.desired, peers=state_of(scene.store).peers)
    assert scene.note() == [scene.heard]
    assert scene.stored() == scene.heard
