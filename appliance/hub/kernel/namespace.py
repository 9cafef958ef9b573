"""Named network namespaces, as ip-netns(8) keeps them, entered by threads of this process.

Nothing is forked: a thread moves itself with setns(2), works, and moves back. `ip netns exec NAME …` sees the same
namespaces.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from appliance import libc
from appliance.hub.errors import NamespaceError

T = TypeVar("T")

FOLDER = Path("/run/netns")

# <linux/mount.h>, <sys/mount.h>
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_SHARED = 1 << 20
_MNT_DETACH = 2

_folder_lock = threading.Lock()


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Raise `NamespaceError` with this description if a system call in the block fails."""
    try:
        yield
    except OSError as error:
        raise NamespaceError(f"{what}: {error.strerror}") from error


def _own_network() -> str:
    return f"/proc/self/task/{threading.get_native_id()}/ns/net"


def _in_thread(work: Callable[[], T]) -> T:
    """Run the work in a thread of its own, which may leave its namespace for good."""
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
    """Run the work in an empty, unnamed network namespace that ends with it.

    Raises:
        NamespaceError: the host refused to create one.
    """

    def body() -> T:
        with _explained("a scratch namespace could not be made"):
            libc.unshare(libc.CLONE_NEWNET)
        return work()

    return _in_thread(body)


def _prepare_folder() -> None:
    """Make the folder a shared mount as ip-netns does, so that later mount namespaces see later names."""
    FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder = os.fsencode(FOLDER)
    with _folder_lock:
        # Only a mount point can be shared, and no comparison of devices detects a bind mount, so sharing comes first.
        with suppress(OSError):
            libc.mount(b"none", folder, _MS_SHARED | _MS_REC)
            return
        with _explained(f"{FOLDER} could not be mounted"):
            libc.mount(folder, folder, _MS_BIND | _MS_REC)
        with _explained(f"{FOLDER} could not be shared"):
            libc.mount(b"none", folder, _MS_SHARED | _MS_REC)


def _reserve(name: str) -> None:
    """Create the empty file on which a namespace of this name is mounted."""
    _prepare_folder()
    with _explained(f"namespace {name}"):
        os.close(os.open(FOLDER / name, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o444))


def _give_name(name: str, source: str) -> None:
    """Mount the namespace behind a file of /proc on the reserved file of this name."""
    with _explained(f"namespace {name} could not be named"):
        libc.mount(source.encode(), os.fsencode(FOLDER / name), _MS_BIND)


def create(name: str) -> None:
    """Create an empty network namespace with ``lo`` down.

    Raises:
        NamespaceError: the name is taken, or the host refused.
    """
    _reserve(name)

    try:
        with _returning():
            with _explained(f"namespace {name} could not be made"):
                libc.unshare(libc.CLONE_NEWNET)
            _give_name(name, _own_network())
    except BaseException:
        (FOLDER / name).unlink()
        raise


def remove(name: str) -> None:
    """Remove the name, if it exists; the kernel removes the namespace and its links once nobody uses it."""
    path = FOLDER / name
    if not path.exists():
        return
    # Another namespace may be mounted over it.
    with suppress(OSError):
        while True:
            libc.umount2(os.fsencode(path), _MNT_DETACH)
    with suppress(FileNotFoundError):
        path.unlink()


def exists(name: str) -> bool:
    """Tell whether a namespace of this name can be entered. A plain file of that name is the rest of a failed mount."""
    return os.path.ismount(FOLDER / name)


def descriptor_of(name: str) -> int:
    """Open a file descriptor that keeps the namespace alive, also without its name. The caller closes it.

    Raises:
        NamespaceError: there is none of that name.
    """
    try:
        return os.open(FOLDER / name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NamespaceError(f"namespace {name}: {error.strerror}") from error


def leads_to(name: str, descriptor: int) -> bool:
    """Tell whether the name belongs to the namespace behind the descriptor."""
    try:
        named, meant = (FOLDER / name).stat(), os.fstat(descriptor)
    except OSError:
        return False
    return (named.st_dev, named.st_ino) == (meant.st_dev, meant.st_ino)


def rename(name: str, descriptor: int) -> None:
    """Give the namespace behind the descriptor this name, and take it away from any other.

    Raises:
        NamespaceError: the host refused.
    """
    remove(name)
    _reserve(name)
    _give_name(name, f"/proc/self/fd/{descriptor}")


def names() -> Iterator[str]:
    """All names in this mount namespace."""
    if FOLDER.is_dir():
        yield from sorted(path.name for path in FOLDER.iterdir())


@contextmanager
def entered(name: str) -> Iterator[None]:
    """Put the calling thread into the namespace of that name for the length of the block.

    Raises:
        NamespaceError: there is none of that name.
    """
    there = descriptor_of(name)
    try:
        with inside(there):
            yield
    finally:
        os.close(there)


@contextmanager
def inside(descriptor: int) -> Iterator[None]:
    """Put the calling thread into the namespace behind a descriptor for the length of the block."""
    with _returning():
        with _explained("a namespace could not be entered"):
            libc.setns(descriptor, libc.CLONE_NEWNET)
        yield


@contextmanager
def _returning() -> Iterator[None]:
    """Put the calling thread back into its present namespace at the end of the block."""
    home = os.open(_own_network(), os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        try:
            with _explained("the way back from a namespace is gone"):
                libc.setns(home, libc.CLONE_NEWNET)
        finally:
            os.close(home)
