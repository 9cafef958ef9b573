"""Another unlock secret for everything that is sealed, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from appliance.store import Store, instance, organizations
from appliance.vault import Lock, Vault, WrongSecret


@contextmanager
def rotated(store: Store, present: str, new: str, guard: AbstractContextManager[object]) -> Iterator[Vault]:
    """Seals every data key anew. In the block, which has the vault of the new secret, only that opens the store.

    Args:
        guard: entered when no other transaction can hold this one up any more, left after the block. Who opens and
            seals keys under the same guard never does so with a vault that the store has left behind.

    Raises:
        WrongSecret: ``present`` does not open the store; it is as it was.
        Unavailable, sqlalchemy.exc.SQLAlchemyError: the store did not take it; it is as it was.
    """
    with store.read() as transaction:
        before = _lock_of(instance.find(transaction))
    # Outside of the transaction: each takes a tenth of a second.
    vault = Vault.open(present, before)
    successor, lock = Vault.make(new)
    with ExitStack() as held:
        with store.write() as transaction:
            if _lock_of(instance.find(transaction, locked=True)) != before:
                raise WrongSecret("the unlock secret was rotated by somebody else just now")
            organizations.lock_all(transaction)
            held.enter_context(guard)
            # Read under the guard: what was sealed with the old vault until now is in the store, or is turned away.
            for organization, sealed in organizations.sealed_data_keys(transaction).items():
                resealed = vault.resealed_for(successor, organization, sealed)
                organizations.replace_data_key(transaction, organization, resealed)
            instance.replace_lock(transaction, lock)
        yield successor


def _lock_of(found: instance.Instance | None) -> Lock:
    if found is None:
        raise WrongSecret("the store is new, and no secret opens it")
    return found.lock
