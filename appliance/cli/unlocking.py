"""Opening of the store with the unlock secret, and creation of a new store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from appliance.cli import reasons
from appliance.cli import secret as secrets
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder
from appliance.cli.settings import Settings
from appliance.model.errors import Unavailable
from appliance.model.ids import new_instance_id
from appliance.store import Store, instance, migration, shards
from appliance.store.database import sqlite_file, staging_of
from appliance.store.instance import Instance
from appliance.users import User, owner_of
from appliance.vault import Vault, WrongSecret


@dataclass(frozen=True)
class Unlocked:
    """An upgraded store with its unlock secret.

    Attributes:
        secret: the unlock secret, for the hub's process alone.
        made: file of the secret, if it is new.
    """

    store: Store
    instance: Instance
    vault: Vault
    secret: str
    made: Path | None = None

    def __repr__(self) -> str:
        return f"Unlocked(instance={self.instance.id!r})"


def unlock(
    settings: Settings,
    folder: Folder,
    user: User,
    supplied: Sequence[str],
    *,
    make_secret: bool,
    key: bytes | None = None,
) -> Unlocked:
    """Open and upgrade the store with an unlock secret; a new store gets its identity.

    Args:
        user: the web user.
        supplied: candidate secrets, the most likely first.
        key: key that probably opens the store; tried before all secrets, because they take work.
        make_secret: True to make a secret for a new store if none is supplied.

    Raises:
        CommandError: no secret was supplied or none opens the store, or the database can't be used.
    """
    _check_no_restore(settings)
    secret = next(iter(supplied), None)
    own_database = settings.database_url.startswith("sqlite")
    if secret is None and not (make_secret and (folder.is_new or not own_database)):
        raise secrets.missing(folder.path)
    folder.prepare(user)
    with database():
        store = open_store(settings)
        migration.upgrade(store)
        with store.read() as transaction:
            found = instance.find(transaction)
        if found is None:
            return _new_instance(store, folder, secret)
    if secret is None:
        raise secrets.missing(folder.path)
    if key is not None:
        with suppress(WrongSecret):
            return Unlocked(store, found, Vault.of_key(key, found.lock), secret)
    for each in supplied:
        with suppress(WrongSecret):
            return Unlocked(store, found, Vault.open(each, found.lock), each)
    raise secrets.wrong(folder.path)


def check_one_hub(store: Store) -> None:
    """Raise `CommandError` if the store is divided into shards: they take the settings of many hubs."""
    with store.read() as transaction:
        if shards.find_all(transaction):
            raise CommandError(
                "This store is that of many hubs: give --etcd and the settings beside it.", Exit.NOT_CONFIGURED
            )


def _check_no_restore(settings: Settings) -> None:
    """Raise `CommandError` if a restore was interrupted: an empty store in its place would stop it for good."""
    file = sqlite_file(settings.database_url)
    if file is not None and not file.parent.exists() and staging_of(file).exists():
        raise CommandError(
            f"A restore into {file.parent} was interrupted. Run `meshwg restore` again, or remove {staging_of(file)} "
            "to begin with an empty store.",
            Exit.NOT_CONFIGURED,
        )


def _new_instance(store: Store, folder: Folder, secret: str | None) -> Unlocked:
    made = None
    if secret is None:
        secret, made = secrets.make(folder.path)
    vault, lock = Vault.make(secret)
    new = Instance(new_instance_id(), lock)
    with store.write() as transaction:
        instance.create(transaction, new)
    return Unlocked(store, new, vault, secret, made)


def open_store(settings: Settings) -> Store:
    """Open the store, with the rights of its folder's owner for file access."""
    file = sqlite_file(settings.database_url)
    return Store(settings.database_url, None if file is None else owner_of(file.parent))


@contextmanager
def database() -> Iterator[None]:
    """Translate errors of the database in the block into `CommandError`.

    Raises:
        CommandError: the database, or its driver, can't be used, or a later version has made it.
    """
    try:
        yield
    except (SQLAlchemyError, ModuleNotFoundError, Unavailable) as error:
        raise CommandError(f"The database can't be used: {reasons.of_database(error)}.", Exit.CANNOT_CREATE) from None
    except migration.LaterSchema:
        raise CommandError(
            "The store was made by a later version of MeshWG: start that one, or restore a backup from before the "
            "upgrade.",
            Exit.NOT_CONFIGURED,
        ) from None
