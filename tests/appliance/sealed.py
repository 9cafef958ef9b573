"""Stores with an instance and sealed keys, for tests of secrets."""

from __future__ import annotations

from pathlib import Path

from appliance.model.addresses import DEFAULT_NETWORK
from appliance.model.organization import Organization, Plan
from appliance.store import Store, instance, organizations, times
from appliance.store.instance import Instance
from appliance.vault import SealedKeys, Vault, WorkFactor
from tests.appliance.sites import make_store

OLD = "the old secret, long enough"
NEW = "the new secret, long enough"
ACME = "acmeacme22"
"""Id of the organization in the stores."""
_CHEAP = WorkFactor(2, 8, 1)
"""Work of a guess at `OLD`, which every command that opens one of these stores would do; a lock names its own."""


def sealed_store(folder: Path, name: str = "sealed.sqlite") -> Store:
    """Makes a SQLite store under the secret `OLD`, with the organization `ACME`."""
    return sealed(make_store(folder / name))


def sealed(store: Store) -> Store:
    """Puts an empty store under the secret `OLD`, and adds the organization `ACME`."""
    vault, lock = Vault.make(OLD, _CHEAP)
    with store.write() as transaction:
        instance.create(transaction, Instance("abc", lock))
    add_organization(store, ACME, vault.new_organization_keys(ACME))
    return store


def add_organization(store: Store, name: str, keys: SealedKeys) -> None:
    """Stores an active organization with these keys."""
    with store.write() as transaction:
        (port,) = organizations.free_ports(transaction, 1)
        new = Organization(name, name, DEFAULT_NETWORK, port, keys.public_key, Plan.FREE, 1, 0, times.now())
        organizations.create(transaction, new, keys)
        organizations.activate(transaction, name)


def opens(store: Store, secret: str) -> Vault:
    """Open the store's vault.

    Raises:
        WrongSecret: the secret is not the store's.
    """
    with store.read() as transaction:
        found = instance.find(transaction)
    assert found is not None
    return Vault.open(secret, found.lock)
