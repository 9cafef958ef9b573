"""A store in a temporary folder, a fake data plane, and an organization in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.service import Actor, Workplace, accounts
from appliance.store import Store
from tests.appliance.fakes import FakeHub


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new store on SQLite."""
    made = Store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    made.upgrade()
    yield made
    made.close()


@pytest.fixture
def hub() -> FakeHub:
    """A data plane that only remembers."""
    return FakeHub()


@pytest.fixture
def workplace(store: Store, hub: FakeHub) -> Workplace:
    """What use cases work with."""
    return Workplace(store, hub, "vpn.example.net", 51820)


@pytest.fixture
def owner(workplace: Workplace) -> Actor:
    """The owner of an organization that was just signed up."""
    return sign_up(workplace, "owner@example.net")


def sign_up(workplace: Workplace, email: str, **wishes: str) -> Actor:
    """Signs an organization up, and gives its owner."""
    session, _ = accounts.sign_up(
        workplace, email=email, password="correct horse battery", organization="acme-networks", **wishes
    )
    return accounts.actor_of(workplace, session.token)
