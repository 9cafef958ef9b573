"""The store as one sealed file, and a store from such a file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import BinaryIO

from appliance import files
from appliance.store import Store, instance
from appliance.store.migration import known_revisions
from appliance.store.revision import revision
from appliance.vault import FOR_SECRETS, Work, archive
from appliance.vault.archive import NoArchive

_STAGING = ".restoring"


def write(store: Store, sealed: BinaryIO, secret: str, work: Work = FOR_SECRETS) -> None:
    """Writes a consistent copy of a SQLite store, sealed; the service may go on meanwhile.

    Args:
        work: what each guess at the secret is to cost.

    Raises:
        OSError, sqlite3.Error: something can't be written.
    """
    with store.snapshot() as plain:
        archive.seal(plain, sealed, secret, work)


def read(sealed: BinaryIO, file: Path, secret: str, uid: int) -> str:
    """Makes the store ``file``, whose folder must not exist yet, as the backup has it. All of it is there, or nothing.

    Args:
        uid: whose the store is.

    Returns:
        The id of the instance that the backup is of.

    Raises:
        WrongSecret: the backup was sealed under another secret.
        NoArchive: it is none, damaged, or a later version's.
        FileExistsError: the folder exists.
        OSError: something can't be written.
    """
    if file.parent.exists():
        raise FileExistsError(f"{file.parent} exists")
    staging = file.parent.with_name(file.parent.name + _STAGING)
    # What a restore left that was killed.
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(mode=0o700, parents=True)
        staged = staging / file.name
        with staged.open("xb") as plain:
            archive.unseal(sealed, plain, secret)
        found = _identity(staged)
        for path in (staging, *staging.iterdir()):
            os.chown(path, uid, uid)
        files.sync(staged)
        files.sync(staging)
        staging.rename(file.parent)
        files.sync(file.parent.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return found


def _identity(file: Path) -> str:
    store = Store(f"sqlite:///{file}")
    try:
        if revision(store) not in known_revisions():
            raise NoArchive("was made by a later version")
        with store.read() as transaction:
            found = instance.find(transaction)
    finally:
        store.close()
    if found is None:
        raise NoArchive("has no instance in it")
    return found.id
