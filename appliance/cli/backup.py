"""``backup``: write the store into one sealed file."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from appliance import files
from appliance.cli import existing_service, operations, unlocking
from appliance.cli import secret as secrets
from appliance.cli.errors import CommandError, Exit
from appliance.cli.options import with_settings
from appliance.cli.ownership import web_user
from appliance.cli.settings import Settings
from appliance.service import backup as service
from appliance.store import operations as command_log
from appliance.store.database import sqlite_file
from appliance.users import User, owner_of
from appliance.vault import FOR_PASSPHRASES, FOR_SECRETS

Passphrase = Annotated[
    Path | None, typer.Option("--passphrase-file", help="File of a passphrase that seals it, not the unlock secret.")
]


@with_settings("data", "database_url")
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    passphrase_file: Passphrase = None,
    *,
    settings: Settings,
) -> None:
    """Write the whole store into one file, sealed under the unlock secret. The service may go on meanwhile.

    Under a passphrase it opens with that; the keys in it still take the unlock secret of its day.

    Exit codes: 69 the store is no SQLite file, 73 the file exists or can't be written, 77 not root, 78 settings that
    make no sense, no unlock secret or a wrong one, or no store yet.
    """
    store_file(settings, "pg_dump")
    with existing_service.opened(settings) as found:
        # Needed in any case: only an operator who knows the secret may make a backup.
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
            operations.note(found.store, command_log.BACKED_UP)
        except (OSError, sqlite3.Error) as error:
            raise CommandError(f"The backup {file} can't be written: {_reason(error)}.", Exit.CANNOT_CREATE) from None
    key = "Today's unlock secret" if passphrase_file is None else f"The passphrase in {passphrase_file}"
    print(f"The store is in {file}. {key} opens it, also after a rotation: keep both, apart.")


def store_file(settings: Settings, program: str) -> Path:
    """Find the store's file; raises `CommandError` for PostgreSQL, naming PostgreSQL's own program."""
    with unlocking.database():
        file = sqlite_file(settings.database_url)
    if file is None:
        raise CommandError(f"The store is no SQLite file; {program} does this for PostgreSQL.", Exit.UNAVAILABLE)
    return file


@contextmanager
def _replaced(file: Path) -> Iterator[BinaryIO]:
    """Write a file as a whole or not at all, readable only by its owner."""
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
