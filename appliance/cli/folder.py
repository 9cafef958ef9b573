"""The data folder: what lies where, who may read it, and that one service at a time has it."""

from __future__ import annotations

import fcntl
import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.cli.errors import CommandError, Exit

WEB_USER = "meshwg"
_RUN = Path("/run/meshwg")
# Where no such user was made: a number that distributions give to nobody (systemd keeps 61184 to 65519 for this use).
_NAMELESS_UID = 64217


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
        """Certificate and key, the web user's own."""
        return self.path / "tls"

    @property
    def transcripts(self) -> Path:
        """Published runs of the gate, which the web user may only read; not there until one is published."""
        return self.path / "transcripts"

    @property
    def is_new(self) -> bool:
        """Whether no service ever ran here."""
        return not self.store.exists()

    def prepare(self, uid: int) -> None:
        """Makes what is missing.

        Args:
            uid: of the web user.

        Raises:
            CommandError: the folder can't be made, has something else in it, or lies where the web user can't get to.
        """
        try:
            self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
            self._check_reach(uid)
            for folder in (self.store, self.tls):
                folder.mkdir(mode=0o700, exist_ok=True)
                os.chown(folder, uid, uid)
        except OSError as error:
            raise CommandError(
                f"The data folder {self.path} can't be used: {error.strerror}.", Exit.CANNOT_CREATE
            ) from None

    def _check_reach(self, uid: int) -> None:
        if _is_reached(self.path, uid):
            return
        closed = next(each for each in (*reversed(self.path.parents), self.path) if not _is_reached(each, uid))
        raise CommandError(
            f"The data folder {self.path} can't be used: the web process, which is user {uid} and not root, can't get "
            f"into {closed}. Use a folder elsewhere, like /var/lib/meshwg.",
            Exit.CANNOT_CREATE,
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One service at a time.

        Raises:
            CommandError: another one runs on this folder.
        """
        with _held(self.path / "lock", otherwise=f"Another service runs on the data folder {self.path} already."):
            yield


@contextmanager
def instance_locked(instance: str) -> Iterator[None]:
    """One hub of an instance on a host: two, as of a restored copy, would take each other's namespaces for their own.

    Raises:
        CommandError: another one runs.
    """
    with _held(_RUN / f"{instance}.lock", otherwise=f"A service of instance {instance} runs on this host already."):
        yield


@contextmanager
def _held(path: Path, *, otherwise: str) -> Iterator[None]:
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CommandError(f"The folder {path.parent} can't be used: {error.strerror}.", Exit.CANNOT_CREATE) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(otherwise, Exit.BUSY) from None
        yield
    finally:
        os.close(descriptor)


def _is_reached(folder: Path, uid: int) -> bool:
    """Whether that user can get into a folder, by whatever modes and access lists there are on the way."""
    if uid == os.geteuid():
        return os.access(folder, os.X_OK)
    done = subprocess.run(["test", "-x", str(folder)], user=uid, group=uid, extra_groups=[], cwd="/", check=False)
    return done.returncode == 0


def web_uid() -> int:
    """The user that the web process becomes."""
    try:
        return pwd.getpwnam(WEB_USER).pw_uid
    except KeyError:
        return _NAMELESS_UID


def hub_socket(instance: str) -> Path:
    """Where this instance's hub listens: short, as a socket's path has to be, and gone with the next boot."""
    return _RUN / instance / "hub.sock"


def hub_state(instance: str) -> Path:
    """What this instance's hub leaves for the next one of this boot."""
    return _RUN / instance / "rules"
