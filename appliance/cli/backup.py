"""``backup`` and ``restore``: the store as one file that only the unlock secret opens."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from appliance import files, privileges
from appliance.cli import operations, present, unlocking
from appliance.cli import secret as secrets
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder, web_user
from appliance.cli.options import Config, Data, DatabaseUrl
from appliance.cli.settings import SECRET_FILE_VARIABLE, SECRET_VARIABLE, Settings, resolve
from appliance.service import backup as service
from appliance.store import migration
from appliance.store import operations as trail
from appliance.store.database import sqlite_file
from appliance.users import User, owner_of
from appliance.vault import FOR_PASSPHRASES, FOR_SECRETS, WrongSecret
from appliance.vault.archive import NoArchive

_Passphrase = Annotated[
    Path | None, typer.Option("--passphrase-file", help="File of a passphrase that seals it, not the unlock secret.")
]


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    passphrase_file: _Passphrase = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    config: Config = None,
) -> None:
    """Write the whole store into one file, sealed under the unlock secret. The service may go on meanwhile.

    Under a passphrase it opens with that; the keys in it still take the unlock secret of its day.

    Exit codes: 69 the store is no SQLite file, 73 the file exists or can't be written, 77 not root, 78 settings that
    make no sense, no unlock secret or a wrong one, or no store yet.
    """
    settings = resolve({"data": data, "database_url": database_url}, config)
    _sqlite_file(settings, "pg_dump")
    with present.opened(settings) as found:
        # Asked for in any case: who may take a backup is who knows it.
        secret, work = found.secret(), FOR_SECRETS
        if passphrase_file is not None:
            secret, work = secrets.passphrase(passphrase_file), FOR_PASSPHRASES
        if owner_of(file.parent.resolve()) == web_user() != User(os.geteuid(), os.getegid()):
            raise CommandError(
                f"{file.parent} is the web process's, which could put a link in the way; choose another folder.",
                Exit.CANNOT_CREATE,
            )
        if file.exists() and not force:
            raise CommandError(f"{file} exists; --force replaces it.", Exit.CANNOT_CREATE)
        try:
            with _replaced(file) as sealed:
                service.write(found.store, sealed, secret, work)
            operations.note(found.store, trail.BACKED_UP)
        except (OSError, sqlite3.Error) as error:
            raise CommandError(f"The backup {file} can't be written: {_reason(error)}.", Exit.CANNOT_CREATE) from None
    opens = "The unlock secret of today opens it" if passphrase_file is None else f"What {passphrase_file} has opens it"
    print(f"The store is in {file}. {opens}, also after a rotation: keep both, apart.")


def restore(
    file: Annotated[Path, typer.Argument(help="The file that `backup` wrote.")],
    passphrase_file: _Passphrase = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    config: Config = None,
) -> None:
    """Make a new data folder from a backup, with the unlock secret of its day; `up` then goes on where it was made.

    Machines need no new configuration.

    Exit codes: 66 no backup or a damaged one, 69 the store is to be no SQLite file, 73 there is a store already or the
    folder can't be written, 75 a service runs on it, 77 not root, 78 settings that make no sense, no unlock secret or a
    wrong one.
    """
    settings = resolve({"data": data, "database_url": database_url}, config)
    present.must_be_root()
    privileges.leave_groups()
    folder, store_file = Folder(settings.data), _sqlite_file(settings, "pg_restore")
    given = (secrets.passphrase(passphrase_file),) if passphrase_file is not None else secrets.given(settings)
    secret = next(iter(given), None)
    if secret is None:
        raise CommandError(
            f"A backup opens with its unlock secret; set {SECRET_FILE_VARIABLE} or {SECRET_VARIABLE}.",
            Exit.NOT_CONFIGURED,
        )
    if not folder.is_new or store_file.parent.exists():
        raise _exists(store_file)
    try:
        with file.open("rb") as sealed, folder.locked():
            instance = service.read(sealed, store_file, secret, web_user())
            _note_restored(settings)
    except WrongSecret:
        raise CommandError(
            f"This {'unlock secret' if passphrase_file is None else 'passphrase'} does not open the backup {file}.",
            Exit.NOT_CONFIGURED,
        ) from None
    except NoArchive as error:
        raise CommandError(f"{file} {error}; nothing was restored.", Exit.NO_INPUT) from None
    except FileExistsError:
        raise _exists(store_file) from None
    except OSError as error:
        opened = error.filename == str(file)
        what = f"{file} can't be read" if opened else f"The store in {store_file.parent} can't be written"
        raise CommandError(f"{what}: {error.strerror}.", Exit.NO_INPUT if opened else Exit.CANNOT_CREATE) from None
    print(f"Instance {instance} is in {folder.path}; `meshwg up` with the unlock secret of its day goes on with it.")


def _note_restored(settings: Settings) -> None:
    with unlocking.database(), closing(unlocking.open_store(settings)) as store:
        # A backup of an older version has the tables of its day.
        migration.upgrade(store)
        operations.note(store, trail.RESTORED)


def _sqlite_file(settings: Settings, program: str) -> Path:
    with unlocking.database():
        file = sqlite_file(settings.database_url)
    if file is None:
        raise CommandError(f"The store is no SQLite file; {program} does this for PostgreSQL.", Exit.UNAVAILABLE)
    return file


def _exists(store_file: Path) -> CommandError:
    return CommandError(
        f"There is a store in {store_file.parent} already; a backup is restored into a new data folder.",
        Exit.CANNOT_CREATE,
    )


@contextmanager
def _replaced(file: Path) -> Iterator[BinaryIO]:
    """A new file, its owner's alone, which gets its name when all of it is on disk, or none."""
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as written:
            yield written
            written.flush()
            os.fsync(descriptor)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink()
        raise
    files.sync(file.parent)


def _reason(error: OSError | sqlite3.Error) -> str:
    return str(getattr(error, "strerror", None) or error)
