"""The store as one sealed file, and a store from such a file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from appliance import files
from appliance.store import Store, instance
from appliance.store.migration import known_revisions, upgrade
from appliance.store.revision import revision
from appliance.users import User, file_access_as, owner_of
from appliance.vault import FOR_SECRETS, WorkFactor, archive
from appliance.vault.archive import InvalidArchive

_STAGING = ".restoring"


def write(store: Store, sealed: BinaryIO, secret: str, work: WorkFactor = FOR_SECRETS) -> None:
    """Writes a consistent copy of a SQLite store, sealed; the service may go on meanwhile.

    Args:
        work: what each guess at the secret is to cost.

    Raises:
        OSError, sqlite3.Error: something can't be written.
    """
    with store.snapshot() as plain:
        archive.seal(plain, sealed, secret, work)


@contextmanager
def restored(sealed: BinaryIO, file: Path, secret: str, user: User) -> Iterator[Store]:
    """Opens a store made from a backup, which is ``file`` after the block; its folder must not exist before.

    All of it is there then, or nothing where the block raises.

    Args:
        user: whose the store is, and with whose rights it is written.

    Raises:
        WrongSecret: the backup was sealed under another secret.
        InvalidArchive: it is none, damaged, or a later version's.
        FileExistsError: the folder exists.
        OSError: something can't be written.
    """
    if file.parent.exists():
        raise FileExistsError(f"{file.parent} exists")
    staging = file.parent.with_name(file.parent.name + _STAGING)
    # What a restore left that was killed.
    _discard(staging)
    made = [each for each in staging.parents if not each.exists()]
    # Loaded before anything is done as a user who may not be able to read code.
    revisions = known_revisions()
    try:
        staging.mkdir(mode=0o700, parents=True)
        _give(staging, user)
        staged = staging / file.name
        with file_access_as(user):
            with staged.open("xb") as plain:
                archive.unseal(sealed, plain, secret)
            files.sync(staged)
        store = Store(f"sqlite:///{staged}", user)
        try:
            if revision(store) not in revisions:
                raise InvalidArchive("was made by a later version")
            # A backup of an older version has the tables of its day.
            upgrade(store)
            yield store
            # What ended in the block is not to be found in the files either.
            store.scrub()
        finally:
            store.close()
        with file_access_as(user):
            files.sync(staged)
            files.sync(staging)
        staging.rename(file.parent)
        files.sync(file.parent.parent)
    except BaseException:
        _discard(staging)
        for each in made:
            with suppress(OSError):
                each.rmdir()
        raise


def identity(store: Store) -> str:
    """Gives the id of the instance that a restored store is of.

    Raises:
        InvalidArchive: it has none.
    """
    with store.read() as transaction:
        found = instance.find(transaction)
    if found is None:
        raise InvalidArchive("has no instance in it")
    return found.id


def _give(folder: Path, user: User) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchown(descriptor, user.uid, user.gid)
    finally:
        os.close(descriptor)


def _discard(folder: Path) -> None:
    """Removes a folder with the rights of its owner, who may have put anything into it.

    Raises:
        OSError: something of it stayed.
    """
    owner = owner_of(folder)
    if owner is None:
        return
    with file_access_as(owner), suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    # The entry itself is in a folder of root's.
    with suppress(FileNotFoundError):
        folder.rmdir()
