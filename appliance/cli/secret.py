"""Unlock secret: read from the operator, or made."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from appliance import files, privileges
from appliance.cli import trust
from appliance.cli.errors import CommandError, Exit
from appliance.cli.settings import SECRET_FILE_VARIABLE, SECRET_VARIABLE, Settings
from appliance.vault.vault import SHORTEST_SECRET


def given(settings: Settings) -> tuple[str, ...]:
    """Read the secret that the operator supplied, if any, and forbid core dumps of this process.

    Raises:
        CommandError: the file can't be read or is open to others, or the secret is too short.
    """
    privileges.never_dump()
    if settings.unlock_secret_file is not None:
        return (_checked(_read(settings.unlock_secret_file), str(settings.unlock_secret_file)),)
    value = os.environ.get(SECRET_VARIABLE)
    return () if value is None else (_checked(value, SECRET_VARIABLE),)


def made_beside(folder: Path) -> Path:
    """Get the path of a new data folder's secret: outside of the folder, so that copies don't contain it."""
    return folder.with_name(folder.name + ".unlock-secret")


def make(folder: Path) -> tuple[str, Path]:
    """Make a secret in a file that only its owner can read.

    Raises:
        CommandError: the file exists, and may be another store's secret, or it can't be written.
    """
    path = made_beside(folder)
    try:
        return _make(path), path
    except FileExistsError:
        raise CommandError(
            f"{path} exists, but the data folder is new. Use it with {SECRET_FILE_VARIABLE}={path}, or move it away.",
            Exit.NOT_CONFIGURED,
        ) from None


def successor(path: Path, folder: Path) -> str:
    """Read the secret in a file, or make one there; it is durable when this returns.

    Raises:
        CommandError: the file lies in the data folder, can't be written or read, is open to others, or its secret is
            too short.
    """
    if path.is_relative_to(folder):
        raise CommandError(
            f"{path} lies in the data folder, and a copy of that would bring its secret along; choose another place.",
            Exit.NOT_CONFIGURED,
        )
    try:
        return _make(path)
    except FileExistsError:
        return _checked(_read(path), str(path))


def passphrase(path: Path) -> str:
    """Read a passphrase for a backup that opens without the unlock secret.

    Raises:
        CommandError: the file can't be read or is open to others, or the passphrase is too short.
    """
    return _checked(_read(path, "passphrase"), str(path), "passphrase")


def _make(path: Path) -> str:
    secret = secrets.token_urlsafe(32)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secret + "\n")
            file.flush()
            # The secret must be on disk before anything that it opens.
            os.fsync(descriptor)
        files.sync(path.parent)
    except FileExistsError:
        raise
    except OSError as error:
        raise CommandError(
            f"The unlock secret {path} can't be written: {error.strerror}.", Exit.CANNOT_CREATE
        ) from None
    return secret


def missing(folder: Path) -> CommandError:
    """Make the error for a sealed store without a supplied secret."""
    beside = made_beside(folder)
    hint = f" The one that was made for it lies in {beside}." if beside.exists() else ""
    return CommandError(
        f"The data folder {folder} is sealed and no unlock secret was supplied. "
        f"Set {SECRET_FILE_VARIABLE} or {SECRET_VARIABLE}.{hint}",
        Exit.NOT_CONFIGURED,
    )


def wrong(folder: Path) -> CommandError:
    """Make the error for a supplied secret that does not open the store."""
    return CommandError(f"This unlock secret does not open the store of {folder}.", Exit.NOT_CONFIGURED)


def _read(path: Path, what: str = "unlock secret") -> str:
    try:
        return trust.read(path, what, hidden_from=0o077).decode().strip()
    except UnicodeDecodeError:
        raise _no_text(str(path), what) from None


def _checked(secret: str, source: str, what: str = "unlock secret") -> str:
    # Lone surrogates stand for bytes of the environment that are not UTF-8.
    if any("\ud800" <= character <= "\udfff" for character in secret):
        raise _no_text(source, what)
    if len(secret.strip()) < SHORTEST_SECRET:
        raise CommandError(f"The {what} in {source} has fewer than {SHORTEST_SECRET} characters.", Exit.NOT_CONFIGURED)
    return secret.strip()


def _no_text(source: str, what: str) -> CommandError:
    return CommandError(f"The {what} in {source} has to be text in UTF-8, and is not.", Exit.NOT_CONFIGURED)
