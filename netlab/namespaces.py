"""Sets of namespaces, held by file descriptors and entered by short-lived threads.

Namespaces belong to threads, not processes. A thread that enters some, does a piece of work and ends changes nothing
for the rest of the process, and what it made there (a socket, a child process) stays there. That is faster than
starting `nsenter` and needs no fork.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from netlab import kernel

T = TypeVar("T")

_KINDS = {"net": kernel.CLONE_NEWNET, "mnt": kernel.CLONE_NEWNS, "uts": kernel.CLONE_NEWUTS}


class _Outcome(Generic[T]):
    """Carries a result or an exception out of a thread."""

    def __init__(self) -> None:
        self.values: list[T] = []
        self.error: BaseException | None = None

    def take(self) -> T:
        if self.error is not None:
            raise self.error
        return self.values[0]


def in_thread(function: Callable[[], T]) -> T:
    """Runs a function in a thread of its own.

    Args:
        function: the function; its exception is raised here.

    Returns:
        The function's result.
    """
    outcome: _Outcome[T] = _Outcome()

    def body() -> None:
        try:
            outcome.values.append(function())
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, whatever it is
            outcome.error = error

    # daemon: a thread that hangs in a dead namespace must not keep the interpreter from ending.
    thread = threading.Thread(target=body, name="netlab-namespace", daemon=True)
    thread.start()
    thread.join()
    return outcome.take()


@dataclass(frozen=True)
class Identity:
    """Inode numbers by which the kernel tells namespaces apart; all processes in the same ones have equal numbers.

    Attributes:
        net: that of the network namespace.
        mnt: that of the mount namespace; None for a set without one.
        uts: that of the UTS namespace; None for a set without one.
    """

    net: int
    mnt: int | None = None
    uts: int | None = None


class Namespaces:
    """Open file descriptors of a network namespace and, for a host, of its mount and UTS namespaces too.

    The namespaces exist for as long as this object is open or a process lives in them.

    Attributes:
        identity: numbers that tell them apart from others.
    """

    def __init__(self, fds: dict[str, int]) -> None:
        """Takes over open file descriptors.

        Args:
            fds: descriptors by type, of `net`, `mnt` and `uts`; `close` closes them.
        """
        self._fds = fds
        inodes = {kind: os.fstat(fd).st_ino for kind, fd in fds.items()}
        self.identity = Identity(net=inodes["net"], mnt=inodes.get("mnt"), uts=inodes.get("uts"))

    @classmethod
    def create(cls, kinds: tuple[str, ...], prepare: Callable[[], None]) -> Namespaces:
        """Makes new namespaces and runs a function in them once.

        Args:
            kinds: types of namespaces: `net` always, and `mnt` and `uts` as wanted.
            prepare: function that runs in the new namespaces; if it raises, they are gone again.

        Returns:
            The open namespaces.

        Raises:
            OSError: the kernel refuses them.
        """
        flags = 0
        for kind in kinds:
            flags |= _KINDS[kind]

        def body() -> Namespaces:
            kernel.unshare(flags)
            prepare()
            return cls(_open_own(kinds))

        return in_thread(body)

    @classmethod
    def current(cls) -> Namespaces:
        """Returns the network namespace of the calling thread."""
        return cls(_open_own(("net",)))

    @classmethod
    def of_network(cls, pid: int) -> Namespaces:
        """Returns the network namespace of a process.

        Raises:
            OSError: there is no such process, or the caller has no right to it.
        """
        return cls({"net": os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)})

    @property
    def net(self) -> int:
        """File descriptor of the network namespace."""
        return self._fds["net"]

    def enter(self, function: Callable[[], T], *, only_network: bool = False) -> T:
        """Runs a function in a short-lived thread inside these namespaces.

        Args:
            function: the function. Each call has another thread, so that thread-local values are lost.
            only_network: stay in the caller's mount and UTS namespaces.

        Returns:
            The function's result.

        Raises:
            OSError: the kernel refuses to let the thread in.
        """

        def body() -> T:
            if not only_network and "mnt" in self._fds:
                # A thread shares its root and working directory with its process, which forbids another mount
                # namespace until they are its own.
                kernel.unshare(kernel.CLONE_FS)
            for kind, fd in self._fds.items():
                if kind == "net" or not only_network:
                    kernel.setns(fd, _KINDS[kind])
            return function()

        return in_thread(body)

    def close(self) -> None:
        """Closes the file descriptors. May be called twice."""
        while self._fds:
            _, fd = self._fds.popitem()
            with contextlib.suppress(OSError):
                os.close(fd)


def _open_own(kinds: tuple[str, ...]) -> dict[str, int]:
    return {kind: os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in kinds}


class Inhabitants:
    """Processes of sets of namespaces.

    A daemon leaves its process group and parent, and `ip netns exec` leaves the network and mount namespaces, but no
    process leaves all three by that.
    """

    def __init__(self, *identities: Identity) -> None:
        """Begins to tell them.

        Args:
            identities: numbers of each set.
        """
        self._inodes = {
            kind: {inode for each in identities if (inode := getattr(each, kind)) is not None} for kind in _KINDS
        }

    def __contains__(self, pid: int) -> bool:
        """Tells whether a process is in any namespace of a set; False if it has ended."""
        for kind, inodes in self._inodes.items():
            # Gone, a zombie, or not ours: in no namespace of a host either way.
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{pid}/ns/{kind}").st_ino in inodes:  # noqa: PTH116 - a Path for each is slow
                    return True
        return False

    def pids(self) -> list[int]:
        """Returns the ids of all processes in any namespace of a set."""
        listed = os.listdir("/proc")  # noqa: PTH208 - a Path for each is slow
        return [pid for pid in map(int, filter(str.isdecimal, listed)) if pid in self]


def processes_in(identity: Identity) -> list[int]:
    """Returns the ids of all processes in any namespace of a set.

    Args:
        identity: numbers of the set.
    """
    return Inhabitants(identity).pids()
