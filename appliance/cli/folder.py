"""The data folder: what lies where, whose it is, and that one service at a time has it.

It is root's, and so is all in it but the store, which is the web user's. Whatever root does to the store by path, it
does with that user's rights (`users.file_access_as`); what it has to do with its own, it does by descriptor.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from appliance import privileges
from appliance.cli.errors import CommandError, Exit
from appliance.users import User, file_access_as

WEB_USER = "meshwg"
STORE_FILE = "meshwg.sqlite"
NAMELESS = User(64217, 64217)
"""User of the web process where none was made: a number that distributions give to nobody.

systemd keeps 61184 to 65519 for this use.
"""

_LOCK = "lock"
_RUN = Path("/run/meshwg")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe or a device must not hold up its opening.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True)
class Folder:
    """The data folder's layout."""

    path: Path

    @property
    def store(self) -> Path:
        """The database's folder, the web user's own."""
        return self.path / "store"

    @property
    def tls(self) -> Path:
        """The self-signed certificate and its key, root's own."""
        return self.path / "tls"

    @property
    def certificate(self) -> Path:
        """The self-signed certificate, which everybody may read."""
        return self.tls / "certificate.pem"

    @property
    def transcripts(self) -> Path:
        """Published runs of the gate, which the web user may only read; not there until one is published."""
        return self.path / "transcripts"

    @property
    def is_new(self) -> bool:
        """Whether no service ever ran here."""
        return not self.store.exists()

    def prepare(self, user: User) -> None:
        """Makes what is missing, and puts right what an earlier version or another user's name left.

        Args:
            user: the web user.

        Raises:
            CommandError: the folder can't be made, is somebody else's, has something else in it, or lies where the web
                user can't get to.
        """
        with self.opened(make=True) as folder:
            self.check_reach(user)
            with _made(folder, self.store.name, self.store) as store:
                _give_to_user(store, self.store, user)
            with _made(folder, self.tls.name, self.tls) as tls:
                _take_back(tls, self.tls)

    def check_store(self) -> None:
        """Looks whether the store's files are plain files of the folder's owner: a pipe would hold up who opens it.

        Raises:
            CommandError: one is not, or the data folder is somebody else's.
        """
        with self.opened() as folder, _made(folder, self.store.name, self.store) as store:
            _check_files(store, self.store, (os.fstat(store).st_uid,))

    @contextmanager
    def opened(self, *, make: bool = False) -> Iterator[int]:
        """A descriptor of the folder, which nobody but root can change.

        Raises:
            CommandError: it can't be made or opened, or somebody else may change it.
        """
        try:
            is_made = make and not self.path.exists()
            if is_made:
                self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
            descriptor = os.open(self.path, _FOLDER)
        except OSError as error:
            raise _unusable(self.path, f"{error.strerror}.") from None
        try:
            if is_made:
                # Whatever the umask: the web user has to get through.
                os.fchmod(descriptor, 0o755)
            _check_that_it_is_roots(descriptor, self.path)
            yield descriptor
        except OSError as error:
            raise _unusable(self.path, f"{error.strerror}.") from None
        finally:
            os.close(descriptor)

    def check_reach(self, user: User) -> None:
        """Raises `CommandError` where the folder lies where the web user can't get to."""
        if _is_reached(self.path, user):
            return
        closed = next(each for each in (*reversed(self.path.parents), self.path) if not _is_reached(each, user))
        raise _unusable(
            self.path,
            f"the web process, which is user {user.uid} and not root, can't get into {closed}. "
            "Use a folder elsewhere, like /var/lib/meshwg.",
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One service at a time.

        Raises:
            CommandError: another one runs on this folder, or the folder can't be used.
        """
        otherwise = f"Another service runs on the data folder {self.path} already."
        with ExitStack() as lock:
            # What goes wrong in the block is no fault of the folder.
            with self.opened(make=True) as folder:
                lock.enter_context(_file_lock(Path(_LOCK), folder, otherwise=otherwise))
            yield

    @contextmanager
    def founding(self) -> Iterator[None]:
        """One service at a time, as `locked`; where the block raises, the folder is as it was before, or not there.

        Raises:
            CommandError: another one runs on this folder, or the folder can't be used.
        """
        lock = self.path / _LOCK
        made = [each for each in (self.path, *self.path.parents) if not each.exists()]
        was_locked_before = lock.exists()
        try:
            with self.locked():
                try:
                    yield
                except BaseException:
                    if not was_locked_before:
                        lock.unlink(missing_ok=True)
                    raise
        except BaseException:
            for each in made:
                # Somebody else may have put something there meanwhile.
                with suppress(OSError):
                    each.rmdir()
            raise


@contextmanager
def instance_locked(instance: str) -> Iterator[None]:
    """One hub of an instance on a host: two, as of a restored copy, would take each other's namespaces for their own.

    Raises:
        CommandError: another one runs.
    """
    try:
        _RUN.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"The folder {_RUN} can't be used: {error.strerror}.", Exit.CANNOT_CREATE) from None
    path = _RUN / f"{instance}.lock"
    with _file_lock(path, None, otherwise=f"A service of instance {instance} runs on this host already."):
        yield


@contextmanager
def _file_lock(path: Path, folder: int | None, *, otherwise: str) -> Iterator[None]:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600, dir_fd=folder)
    except OSError as error:
        raise CommandError(f"The lock {path} can't be used: {error.strerror}.", Exit.CANNOT_CREATE) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(otherwise, Exit.BUSY) from None
        if not _is_still_there(path, folder, descriptor):
            # Who had it removed it (`Folder.founding`), and the next one makes another.
            raise CommandError(otherwise, Exit.BUSY)
        yield
    finally:
        os.close(descriptor)


def _is_still_there(path: Path, folder: int | None, descriptor: int) -> bool:
    try:
        found = os.stat(path, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(descriptor))


def _check_that_it_is_roots(descriptor: int, path: Path) -> None:
    found = os.fstat(descriptor)
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise _unusable(
            path,
            f"root works in it, and user {found.st_uid} or others may change it. If it is the service's, "
            f"`chown root {shlex.quote(str(path))} && chmod go-w {shlex.quote(str(path))}`.",
        )
    web = web_user().uid
    for parent in path.parents:
        above = parent.stat()
        # In a folder like /tmp everybody may make entries, and nobody may replace another's.
        is_open = above.st_mode & 0o002 and not above.st_mode & stat.S_ISVTX
        if is_open or (above.st_uid == web and web != os.geteuid()):
            raise _unusable(path, f"others may put something else in its place, as they may change {parent}.")


@contextmanager
def _made(parent: int, name: str, path: Path) -> Iterator[int]:
    """A descriptor of a folder in a folder of root's, made if it is missing."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    try:
        descriptor = os.open(name, _FOLDER, dir_fd=parent)
    except OSError as error:
        raise _unusable(path, f"{error.strerror}.") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _give_to_user(folder: int, path: Path, user: User) -> None:
    """Give the folder and the store's files to this user, if they are root's or of the user without a name.

    Raises:
        CommandError: it is a third one's, or it has something in it that is none of its owner's files.
    """
    owner = os.fstat(folder).st_uid
    if owner == user.uid:
        _check_files(folder, path, (user.uid,))
        return
    owners = (owner, user.uid)
    if owner not in (os.geteuid(), NAMELESS.uid):
        raise _not_the_services(path, owner, user)
    _check_files(folder, path, owners)
    # From here on nobody puts anything else there.
    os.fchown(folder, os.geteuid(), os.getegid())
    os.fchmod(folder, 0o700)
    for file in _check_files(folder, path, (*owners, os.geteuid())):
        descriptor = os.open(file, _FILE, dir_fd=folder)
        try:
            os.fchown(descriptor, user.uid, user.gid)
        finally:
            os.close(descriptor)
    os.fchown(folder, user.uid, user.gid)


def _check_files(folder: int, path: Path, owners: tuple[int, ...]) -> list[str]:
    """The names of the store's files, where each is a plain file of one of these users, known by no other name.

    Raises:
        CommandError: one is something else.
    """
    names = []
    for name in (STORE_FILE, *(f"{STORE_FILE}-{kind}" for kind in ("wal", "shm", "journal"))):
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            continue
        names.append(name)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or found.st_uid not in owners:
            raise _unusable(
                path,
                f"{path / name} is no file of the store's owner alone (user {found.st_uid}, {found.st_nlink} links). "
                "Look at what put it there, and move it away.",
            )
    return names


def _take_back(folder: int, path: Path) -> None:
    """Makes the folder root's, readable for all, and empties it of what another user may have put there.

    Earlier versions gave it to the web user. Whatever that one left, a certificate is made anew.

    Raises:
        CommandError: it has something in it that is none of our files.
    """
    if os.fstat(folder).st_uid != os.geteuid():
        os.fchown(folder, os.geteuid(), os.getegid())
        # Only now: nobody else changes it any more.
        for name in os.listdir(folder):
            try:
                os.unlink(name, dir_fd=folder)
            except OSError:
                raise _unusable(
                    path, f"{path / name}, which the web user left there, is in the way. Move it away."
                ) from None
    os.fchmod(folder, 0o755)


def _not_the_services(path: Path, owner: int, user: User) -> CommandError:
    return _unusable(
        path,
        f"it is user {owner}'s, and the web process is user {user.uid}. If it is the service's, "
        f"`chown --recursive --no-dereference {user.uid}:{user.gid} {shlex.quote(str(path))}`.",
    )


def _unusable(path: Path, reason: str) -> CommandError:
    return CommandError(f"The data folder {path} can't be used: {reason}", Exit.CANNOT_CREATE)


def _is_reached(folder: Path, user: User) -> bool:
    """Whether that user can get into a folder, by whatever modes and access lists there are on the way."""
    try:
        with file_access_as(user):
            # A step into the folder and back.
            os.close(os.open(folder / ".", os.O_PATH | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def web_user() -> User:
    """The user that the web process becomes; root where this user namespace has no other one."""
    try:
        found = pwd.getpwnam(WEB_USER)
    except KeyError:
        user = NAMELESS
    else:
        user = User(found.pw_uid, found.pw_gid)
    return user if privileges.is_mapped(user.uid) else User(os.geteuid(), os.getegid())


def hub_socket(instance: str) -> Path:
    """Where this instance's hub listens: short, as a socket's path has to be, and gone with the next boot."""
    return _RUN / instance / "hub.sock"


def hub_state(instance: str) -> Path:
    """What this instance's hub leaves for the next one of this boot."""
    return _RUN / instance / "rules"
