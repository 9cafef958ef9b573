"""Backup of the store into one sealed file, and restore from it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from appliance import files
from appliance.model.plural import counted
from appliance.service.room import reserve
from appliance.store import Store, instance
from appliance.store.database import staging_of
from appliance.store.migration import LaterSchema, upgrade
from appliance.store.size import disk_use
from appliance.users import User, file_access_as, owner_of
from appliance.vault import FOR_SECRETS, WorkFactor, archive
from appliance.vault.archive import InvalidArchive


def write(store: Store, sealed: BinaryIO, secret: str, work: WorkFactor = FOR_SECRETS) -> None:
    """Write a consistent, sealed copy of a SQLite store; the service may run meanwhile.

    Args:
        work: cost of each guess at the secret.

    Raises:
        OSError, sqlite3.Error: the copy can't be written, or would take what is kept of the store's disk (`room`).
    """
    _check_room(store, sealed)
    with store.snapshot() as plain:
        archive.seal(plain, sealed, secret, work)


def _check_room(store: Store, sealed: BinaryIO) -> None:
    """Refuse copies that would leave running organizations too little of the store's disk."""
    assert store.file is not None
    found = disk_use(store)
    assert found.free is not None
    copies = 1 + (os.fstat(sealed.fileno()).st_dev == store.file.parent.stat().st_dev)
    if found.free - copies * found.bytes < reserve(found):
        raise OSError(
            errno.ENOSPC,
            f"{found.free} bytes of the store's disk are free; {counted(copies, 'copy', 'copies')} of "
            f"{found.bytes} bytes would leave less than is kept",
        )


@contextmanager
def restored(sealed: BinaryIO, file: Path, secret: str, user: User) -> Iterator[Store]:
    """Restore a backup and open its store; the store becomes ``file`` after the block.

    If the block raises, nothing of it remains.

    Args:
        file: the store's file, in a folder that does not exist yet.
        user: owner of the store; its files are written with this user's rights.

    Raises:
        WrongSecret: the backup was sealed under another secret.
        InvalidArchive: the file is no backup, is damaged, or was written by a later version.
        FileExistsError: the folder exists.
        OSError: the store can't be written.
    """
    if file.parent.exists():
        raise FileExistsError(f"{file.parent} exists")
    staging = staging_of(file)
    # Left by a restore that was killed.
    _discard(staging)
    made = [each for each in staging.parents if not each.exists()]
    try:
        files.make_folders(staging.parent)
        staging.mkdir(mode=0o700)
        _give(staging, user)
        staged = staging / file.name
        with file_access_as(user):
            with staged.open("xb") as plain:
                archive.unseal(sealed, plain, secret)
            files.sync(staged)
        store = Store(f"sqlite:///{staged}", user)
        try:
            try:
                # A backup of an older version has the tables of its day.
                upgrade(store)
            except LaterSchema:
                raise InvalidArchive("was made by a later version") from None
            yield store
            # Rows that were deleted in the block must not remain in the files.
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
    """Read the instance's id from a restored store.

    Raises:
        InvalidArchive: the store has none.
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
    """Remove a folder with its owner's rights, as its content is not trusted.

    Raises:
        OSError: a part of it could not be removed.
    """
    owner = owner_of(folder)
    if owner is None:
        return
    with file_access_as(owner), suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    # The parent folder is root's.
    with suppress(FileNotFoundError):
        folder.rmdir()
