"""System calls that Python has no function for, made through the C library.

Each function raises `OSError` with the error's number and text, and with the call's name as its file name, unless its
docstring says otherwise. Constants are at their callers, except for `CLONE_NEWNET` (<linux/sched.h>).
"""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)
_M_ARENA_MAX = -8  # <malloc.h>


def capset(header: bytes, data: bytes) -> None:
    """Set the capabilities of the calling thread (capset(2))."""
    _check(_libc.capset(ctypes.create_string_buffer(header), ctypes.create_string_buffer(data)), "capset")


def malloc_trim() -> None:
    """Give free memory of a shared heap (`share_heap`) back to the kernel (malloc_trim(3)); it can't fail."""
    _libc.malloc_trim(ctypes.c_size_t(0))


def share_heap() -> None:
    """Have all threads that start later allocate from one heap (mallopt(3), M_ARENA_MAX); it can't fail.

    Otherwise each has a heap of its own, and keeps what it has freed, such as 19 MiB after the hash of a password.
    """
    _libc.mallopt(_M_ARENA_MAX, 1)


def mount(source: bytes, target: bytes, flags: int) -> None:
    """Make a bind mount or change propagation, which need no file system type and data (mount(2))."""
    _check(_libc.mount(source, target, b"none", ctypes.c_ulong(flags), None), "mount")


def umount2(target: bytes, flags: int) -> None:
    """Unmount (umount2(2))."""
    _check(_libc.umount2(target, flags), "umount2")


def prctl(option: int, argument: int) -> None:
    """Set an attribute of the calling process or thread (prctl(2))."""
    _check(_libc.prctl(option, ctypes.c_ulong(argument), *[ctypes.c_ulong(0)] * 3), "prctl")


def setfsgid(gid: int) -> int:
    """Set the group for file access, and return the previous one; a refusal is not reported (setfsgid(2))."""
    return int(_libc.setfsgid(gid))


def setfsuid(uid: int) -> int:
    """Set the user for file access, and return the previous one; a refusal is not reported (setfsuid(2))."""
    return int(_libc.setfsuid(uid))


def setns(descriptor: int, kind: int) -> None:
    """Move the calling thread into the namespace behind a descriptor (setns(2))."""
    _check(_libc.setns(descriptor, kind), "setns")


def syscall(number: int, *arguments: int | None) -> None:
    """Make a system call that the C library has no function for (syscall(2))."""
    _check(min(_libc.syscall(number, *arguments), 0), "syscall")


def unshare(flags: int) -> None:
    """Move the calling thread into new namespaces (unshare(2))."""
    _check(_libc.unshare(flags), "unshare")


def _check(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), call)
