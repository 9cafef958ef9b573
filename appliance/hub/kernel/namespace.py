"""Named network namespaces, as ip-netns(8) keeps them, entered by threads of this process.

Nothing is forked: a thread moves itself with setns(2), works, and moves back. `ip netns exec NAME …` sees the same
namespaces.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from appliance.hub.errors import NamespaceError

T = TypeVar("T")

FOLDER = Path("/run/netns")

# <linux/sched.h>, <linux/mount.h>, <sys/mount.h>
_CLONE_NEWNET = 0x40000000
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_SHARED = 1 << 20
_MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)
_folder_lock = threading.Lock()


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise NamespaceError(f"{what}: {os.strerror(number)}")


def _own_network() -> str:
    return f"/proc/self/task/{threading.get_native_id()}/ns/net"


def _in_thread(work: Callable[[], T]) -> T:
    """Runs the work in a thread of its own, which may leave its namespace and never come back."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def body() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again by the caller
            failure.append(error)

    thread = threading.Thread(target=body, name="namespace", daemon=True)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def in_scratch(work: Callable[[], T]) -> T:
    """Runs the work in an empty network namespace that has no name and is gone afterwards.

    Raises:
        NamespaceError: the host lets us make none.
    """

    def body() -> T:
        _check(_libc.unshare(_CLONE_NEWNET), "a scratch namespace could not be made")
        return work()

    return _in_thread(body)


def _prepare_folder() -> None:
    """What ip-netns does first: a shared mount, so that mount namespaces made later see names made later still."""
    FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder = os.fsencode(FOLDER)
    with _folder_lock:
        # Only a mount point can be shared; whether it is one, no comparison of devices tells for a bind mount.
        if _libc.mount(b"none", folder, b"none", _MS_SHARED | _MS_REC, None) == 0:
            return
        _check(_libc.mount(folder, folder, b"none", _MS_BIND | _MS_REC, None), f"{FOLDER} could not be mounted")
        _check(_libc.mount(b"none", folder, b"none", _MS_SHARED | _MS_REC, None), f"{FOLDER} could not be shared")


def create(name: str) -> None:
    """Makes an empty network namespace with ``lo`` down.

    Raises:
        NamespaceError: the name is taken, or the host does not let us.
    """
    _prepare_folder()
    path = FOLDER / name
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o444))
    except OSError as error:
        raise NamespaceError(f"namespace {name}: {error.strerror}") from error

    def make() -> None:
        _check(_libc.unshare(_CLONE_NEWNET), f"namespace {name} could not be made")
        _check(
            _libc.mount(_own_network().encode(), os.fsencode(path), b"none", _MS_BIND, None),
            f"namespace {name} could not be named",
        )

    try:
        _in_thread(make)
    except BaseException:
        path.unlink()
        raise


def remove(name: str) -> None:
    """Takes the name away; the kernel removes the namespace and its links once nobody is in it. None there is fine."""
    path = FOLDER / name
    if not path.exists():
        return
    # Somebody may have mounted another one over it.
    while _libc.umount2(os.fsencode(path), _MNT_DETACH) == 0:
        pass
    with suppress(FileNotFoundError):
        path.unlink()


def exists(name: str) -> bool:
    """Whether a namespace of this name can be entered (a plain file of that name is what a failed mount leaves)."""
    return os.path.ismount(FOLDER / name)


def held(name: str) -> int:
    """A file descriptor that keeps the namespace alive, also when its name is taken away. The caller closes it.

    Raises:
        NamespaceError: there is none of that name.
    """
    try:
        return os.open(FOLDER / name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NamespaceError(f"namespace {name}: {error.strerror}") from error


def leads_to(name: str, descriptor: int) -> bool:
    """Whether the name is that of the namespace behind the descriptor."""
    try:
        named, meant = (FOLDER / name).stat(), os.fstat(descriptor)
    except OSError:
        return False
    return (named.st_dev, named.st_ino) == (meant.st_dev, meant.st_ino)


def rename(name: str, descriptor: int) -> None:
    """Gives the namespace behind the descriptor this name, whatever had it before.

    Raises:
        NamespaceError: the host does not let us.
    """
    remove(name)
    _prepare_folder()
    path = FOLDER / name
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o444))
    except OSError as error:
        raise NamespaceError(f"namespace {name}: {error.strerror}") from error
    source = f"/proc/self/fd/{descriptor}".encode()
    _check(_libc.mount(source, os.fsencode(path), b"none", _MS_BIND, None), f"namespace {name} could not be named")


def names() -> Iterator[str]:
    """All names that this mount namespace knows."""
    if FOLDER.is_dir():
        yield from sorted(path.name for path in FOLDER.iterdir())


@contextmanager
def entered(name: str) -> Iterator[None]:
    """The calling thread is inside the namespace for the length of the block.

    Raises:
        NamespaceError: there is none of that name.
    """
    there = held(name)
    try:
        with inside(there):
            yield
    finally:
        os.close(there)


@contextmanager
def inside(descriptor: int) -> Iterator[None]:
    """As `entered`, for the namespace behind a descriptor, whatever its name."""
    home = os.open(_own_network(), os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(descriptor, _CLONE_NEWNET), "a namespace could not be entered")
        try:
            yield
        finally:
            _check(_libc.setns(home, _CLONE_NEWNET), "the way back from a namespace is gone")
    finally:
        os.close(home)
