"""Data folder: its layout, and locks that let only one service at a time use it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from appliance import files
from appliance.cli.errors import CommandError, Exit
from appliance.cli.ownership import (
    FOLDER,
    check_files,
    check_root_owned,
    give_to_user,
    is_reached,
    subfolder,
    take_back,
    unusable,
)
from appliance.users import User

_LOCK = "lock"
_RUN = Path("/run/meshwg")


@dataclass(frozen=True)
class Folder:
    """Layout of the data folder."""

    path: Path

    @property
    def store(self) -> Path:
        """Folder of the SQLite database, the web user's own."""
        return self.path / "store"

    @property
    def tls(self) -> Path:
        """Folder of the self-signed certificate and its key, root's own."""
        return self.path / "tls"

    @property
    def certificate(self) -> Path:
        """Self-signed certificate, which everybody may read."""
        return self.tls / "certificate.pem"

    @property
    def transcripts(self) -> Path:
        """Folder of published runs of the gate, which the web user may only read; it need not exist."""
        return self.path / "transcripts"

    @property
    def is_new(self) -> bool:
        """True if no service ever ran here."""
        return not self.store.exists()

    def prepare(self, user: User) -> None:
        """Create missing folders, and correct the ownership that earlier versions left.

        Args:
            user: the web user.

        Raises:
            CommandError: the folder can't be created, is somebody else's, has foreign files in it, or the web user
                can't enter it.
        """
        with self.opened(make=True) as folder:
            self.check_reach(user)
            with subfolder(folder, self.store.name, self.store) as store:
                give_to_user(store, self.store, user)
            with subfolder(folder, self.tls.name, self.tls) as tls:
                take_back(tls, self.tls)
            # Later syncs are of what lies in them.
            os.fsync(folder)

    def check_store(self) -> None:
        """Check that the store's files are plain files of the folder's owner, as opening a pipe would block.

        Raises:
            CommandError: a file is not, or the data folder is somebody else's.
        """
        with self.opened() as folder, subfolder(folder, self.store.name, self.store) as store:
            check_files(store, self.store, (os.fstat(store).st_uid,))

    @contextmanager
    def opened(self, *, make: bool = False) -> Iterator[int]:
        """Open the folder, and check that only root can change it; yields its descriptor.

        Args:
            make: True to create the folder if it is missing.

        Raises:
            CommandError: it can't be created or opened, or somebody else may change it.
        """
        try:
            is_made = make and not self.path.exists()
            if is_made:
                files.make_folders(self.path, 0o755)
            descriptor = os.open(self.path, FOLDER)
        except OSError as error:
            raise unusable(self.path, f"{error.strerror}.") from None
        try:
            if is_made:
                # Independent of the umask, as the web user has to enter it.
                os.fchmod(descriptor, 0o755)
            check_root_owned(descriptor, self.path)
            yield descriptor
        except OSError as error:
            raise unusable(self.path, f"{error.strerror}.") from None
        finally:
            os.close(descriptor)

    def check_reach(self, user: User) -> None:
        """Raise `CommandError` if the web user can't enter the folder."""
        if is_reached(self.path, user):
            return
        closed = next(each for each in (*reversed(self.path.parents), self.path) if not is_reached(each, user))
        raise unusable(
            self.path,
            f"the web process, which is user {user.uid} and not root, can't get into {closed}. "
            "Use a folder elsewhere, like /var/lib/meshwg.",
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for one service during the block.

        Raises:
            CommandError: another service has locked it, or the folder can't be used.
        """
        otherwise = f"Another service runs on the data folder {self.path} already."
        with ExitStack() as lock:
            # Errors in the block are not the folder's.
            with self.opened(make=True) as folder:
                lock.enter_context(_file_lock(Path(_LOCK), folder, otherwise=otherwise))
            yield

    @contextmanager
    def founding(self) -> Iterator[None]:
        """Lock the folder as `locked` does, and remove what is new in it if the block raises.

        Raises:
            CommandError: another service has locked it, or the folder can't be used.
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
                # Others may have put something there meanwhile.
                with suppress(OSError):
                    each.rmdir()
            raise


@contextmanager
def instance_locked(instance: str) -> Iterator[None]:
    """Lock an instance for one hub on this host: a restored copy's hub would use the same namespaces.

    Raises:
        CommandError: another hub of the instance runs.
    """
    try:
        files.make_passable(_RUN)
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
            # Its holder removed it (`Folder.founding`), and the next one creates another.
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


def hub_socket(instance: str) -> Path:
    """Get the path of an instance's hub socket, which is short, as unix(7) demands, and lost at the next boot."""
    return _RUN / instance / "hub.sock"


def hub_state(instance: str) -> Path:
    """Get the path of the state that a hub leaves for its successor of the same boot."""
    return _RUN / instance / "rules"


def demo_state(instance: str) -> Path:
    """Get the path of the state that an instance's demonstration publishes while it runs."""
    return _RUN / instance / "demo.json"
