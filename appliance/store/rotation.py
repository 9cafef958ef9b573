"""Rotation of the unlock secret in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from appliance.model.ids import OPERATORS
from appliance.store import Store, instance, organizations
from appliance.vault import Lock, Vault, WrongSecret


@contextmanager
def rotated(store: Store, present: str, new: str, guard: AbstractContextManager[object]) -> Iterator[Vault]:
    """Seal every data key under the new secret, and run the block with its vault.

    Args:
        guard: entered once this transaction has all its locks, left after the block. Code that opens and seals keys
            under this guard never uses the vault of the old secret after the rotation.

    Raises:
        WrongSecret: ``present`` does not open the store, which is unchanged.
        Unavailable, sqlalchemy.exc.SQLAlchemyError: the rotation failed, and the store is unchanged.
    """
    with store.read() as transaction:
        before = _lock_of(instance.find(transaction))
    # Outside of the transaction, because each takes a tenth of a second.
    vault = Vault.open(present, before)
    successor, lock = Vault.make(new)
    with ExitStack() as stack:
        with store.write() as transaction:
            if _lock_of(instance.find(transaction, locked=True)) != before:
                raise WrongSecret("the unlock secret was rotated by another command just now")
            organizations.lock_all(transaction)
            stack.enter_context(guard)
            # Read under the guard, so that keys which were sealed with the old vault until now are included or refused.
            for organization, sealed in organizations.sealed_data_keys(transaction).items():
                resealed = vault.resealed_for(successor, organization, sealed)
                organizations.replace_data_key(transaction, organization, resealed)
            operators_key = instance.operators_key(transaction)
            if operators_key is not None:
                instance.replace_operators_key(transaction, vault.resealed_for(successor, OPERATORS, operators_key))
            instance.replace_lock(transaction, lock)
        yield successor


def _lock_of(found: instance.Instance | None) -> Lock:
    if found is None:
        raise WrongSecret("the store is new, and no secret opens it")
    return found.lock
