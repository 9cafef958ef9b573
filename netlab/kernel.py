"""System calls that Python 3.10 has no function for. Their errors are OSError with the kernel's errno."""

from __future__ import annotations

import ctypes
import os
import signal

CLONE_FS = 0x00000200
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000

_PR_SET_PDEATHSIG = 1
_MADV_COLLAPSE = 25

# A foreign function of CDLL gives up the GIL while it runs, and errno is kept for each thread.
_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def unshare(flags: int) -> None:
    """Moves the calling thread (not its process) into new namespaces.

    Args:
        flags: CLONE_NEW… and CLONE_FS flags of unshare(2).

    Raises:
        OSError: the kernel refuses.
    """
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def setns(fd: int, kind: int) -> None:
    """Moves the calling thread into a namespace.

    See setns(2).

    Args:
        fd: file descriptor that refers to the namespace.
        kind: the CLONE_NEW… flag of its type, or 0 for any.

    Raises:
        OSError: the kernel refuses.
    """
    _checked(_libc.setns(ctypes.c_int(fd), ctypes.c_int(kind)), "setns")


def setfsuid(uid: int) -> int:
    """Gives the calling thread another user for access to files and for the sockets that it opens.

    See setfsuid(2), which reports no refusal.

    Returns:
        The user before.
    """
    return int(_libc.setfsuid(ctypes.c_uint(uid)))


def mount(source: str, target: str, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    """Mounts a file system.

    See mount(2).

    Args:
        source: device, or folder to bind.
        target: folder or file to mount it on.
        kind: type of file system; None for bind mounts and changes of propagation.
        flags: MS_… flags.
        data: options of the file system.

    Raises:
        OSError: the kernel refuses.
    """
    result = _libc.mount(
        source.encode(),
        target.encode(),
        None if kind is None else kind.encode(),
        ctypes.c_ulong(flags),
        None if data is None else data.encode(),
    )
    _checked(result, f"mount {source} on {target}")


def make_mounts_private() -> None:
    """Stops mounts from spreading between this mount namespace and others.

    Raises:
        OSError: the kernel refuses.
    """
    mount("none", "/", None, MS_REC | MS_PRIVATE)


def die_with_parent() -> None:
    """Has the kernel kill this process when the *thread* that forked it ends; see PR_SET_PDEATHSIG in prctl(2).

    Raises:
        OSError: the kernel refuses.
    """
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0), "prctl")


def collapse(address: int, length: int) -> None:
    """Moves memory of this process into huge pages; see MADV_COLLAPSE in madvise(2).

    Args:
        address: first address, at the border of a page.
        length: bytes.

    Raises:
        OSError: the kernel moved less than all of it, or is older than Linux 6.1.
    """
    result = _libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(length), ctypes.c_int(_MADV_COLLAPSE))
    _checked(result, "madvise")


def set_hostname(name: str) -> None:
    """Sets the host name in the UTS namespace of the calling thread.

    Raises:
        OSError: the kernel refuses.
    """
    encoded = name.encode()
    _checked(_libc.sethostname(encoded, ctypes.c_size_t(len(encoded))), "sethostname")
