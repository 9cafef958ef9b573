"""A store with an instance and sealed keys in it, for tests of its secrets."""

from __future__ import annotations

from pathlib import Path

from appliance.model.addresses import DEFAULT_NETWORK
from appliance.model.organization import Organization, Plan
from appliance.store import Store, instance, organizations, times
from appliance.store.instance import Instance
from appliance.vault import SealedKeys, Vault
from tests.appliance.sites import make_store

OLD = "the old secret, long enough"
NEW = "the new secret, long enough"
ACME = "acmeacme22"
"""Id of the organization in a new store."""


def sealed_store(folder: Path, name: str = "sealed.sqlite") -> Store:
    """A new SQLite store that `OLD` opens, with the organization `ACME` in it."""
    return sealed(make_store(folder / name))


def sealed(store: Store) -> Store:
    """The store, empty until now, which `OLD` opens and which has the organization `ACME` in it."""
    vault, lock = Vault.make(OLD)
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
    """The vault of this secret.

    Raises:
        WrongSecret: it is not the store's.
    """
    with store.read() as transaction:
        found = instance.find(transaction)
    assert found is not None
    return Vault.open(secret, found.lock)
