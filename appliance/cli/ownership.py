"""Ownership of the data folder: root's, apart from the store, which is the web user's.

Root changes the store's files by path only with the web user's rights (`users.file_access_as`), and its own files by
descriptor.
"""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from appliance import privileges
from appliance.cli.errors import CommandError, Exit
from appliance.users import User, file_access_as

WEB_USER = "meshwg"
STORE_FILE = "meshwg.sqlite"
# Used if there is no such user: a number that distributions give to nobody (systemd reserves 61184 to 65519 for this).
NAMELESS = User(64217, 64217)
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags to open a folder."""
# Opening a pipe or a device must not block.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def check_root_owned(descriptor: int, path: Path) -> None:
    """Raise `CommandError` unless nobody but root can change or replace the folder."""
    found = os.fstat(descriptor)
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise unusable(
            path,
            f"root works in it, and user {found.st_uid} or others may change it. If it is the service's, "
            f"`chown root {shlex.quote(str(path))} && chmod go-w {shlex.quote(str(path))}`.",
        )
    web = web_user().uid
    for parent in path.parents:
        above = parent.stat()
        # In a folder like /tmp everybody may create entries, and nobody may replace another's.
        is_open = above.st_mode & 0o002 and not above.st_mode & stat.S_ISVTX
        if is_open or (above.st_uid == web and web != os.geteuid()):
            raise unusable(path, f"others may put something else in its place, as they may change {parent}.")


@contextmanager
def subfolder(parent: int, name: str, path: Path) -> Iterator[int]:
    """Open a folder within a folder of root's, and create it if it is missing; yields its descriptor."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    try:
        descriptor = os.open(name, FOLDER, dir_fd=parent)
    except OSError as error:
        raise unusable(path, f"{error.strerror}.") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def give_to_user(folder: int, path: Path, user: User) -> None:
    """Give the folder and the store's files to this user, if they are root's or `NAMELESS`.

    Raises:
        CommandError: the folder is another user's, or a file in it is not a plain file of its owner's.
    """
    owner = os.fstat(folder).st_uid
    if owner == user.uid:
        check_files(folder, path, (user.uid,))
        return
    owners = (owner, user.uid)
    if owner not in (os.geteuid(), NAMELESS.uid):
        raise _not_the_services(path, owner, user)
    check_files(folder, path, owners)
    # From here on, nobody else can change the folder.
    os.fchown(folder, os.geteuid(), os.getegid())
    os.fchmod(folder, 0o700)
    for file in check_files(folder, path, (*owners, os.geteuid())):
        descriptor = os.open(file, _FILE, dir_fd=folder)
        try:
            os.fchown(descriptor, user.uid, user.gid)
        finally:
            os.close(descriptor)
    os.fchown(folder, user.uid, user.gid)


def check_files(folder: int, path: Path, owners: tuple[int, ...]) -> list[str]:
    """Check that the store's files are plain files of these users, without further hard links; returns their names.

    Raises:
        CommandError: a file is something else.
    """
    names = []
    for name in (STORE_FILE, *(f"{STORE_FILE}-{kind}" for kind in ("wal", "shm", "journal"))):
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            continue
        names.append(name)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or found.st_uid not in owners:
            raise unusable(
                path,
                f"{path / name} is no file of the store's owner alone (user {found.st_uid}, {found.st_nlink} links). "
                "Look at what put it there, and move it away.",
            )
    return names


def take_back(folder: int, path: Path) -> None:
    """Make the folder root's and readable for all, and remove everything that another user has put there.

    Earlier versions gave it to the web user. The certificate is made again then.

    Raises:
        CommandError: an entry can't be removed.
    """
    if os.fstat(folder).st_uid != os.geteuid():
        os.fchown(folder, os.geteuid(), os.getegid())
        # From here on, nobody else can change the folder.
        for name in os.listdir(folder):
            try:
                os.unlink(name, dir_fd=folder)
            except OSError:
                raise unusable(
                    path, f"{path / name}, which the web user left there, is in the way. Move it away."
                ) from None
    os.fchmod(folder, 0o755)


def _not_the_services(path: Path, owner: int, user: User) -> CommandError:
    return unusable(
        path,
        f"it is user {owner}'s, and the web process is user {user.uid}. If it is the service's, "
        f"`chown --recursive --no-dereference {user.uid}:{user.gid} {shlex.quote(str(path))}`.",
    )


def unusable(path: Path, reason: str) -> CommandError:
    """Make the error for a data folder that can't be used."""
    return CommandError(f"The data folder {path} can't be used: {reason}", Exit.CANNOT_CREATE)


def is_reached(folder: Path, user: User) -> bool:
    """True if a user can enter a folder, by all modes and access lists on the way."""
    try:
        with file_access_as(user):
            os.close(os.open(folder / ".", os.O_PATH | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def web_user() -> User:
    """Find the user of the web process; root if this user namespace has no other user."""
    try:
        found = pwd.getpwnam(WEB_USER)
    except KeyError:
        user = NAMELESS
    else:
        user = User(found.pw_uid, found.pw_gid)
    return user if privileges.is_mapped(user.uid) else User(os.geteuid(), os.getegid())
