"""Giving up root, for good."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

_PR_SET_NO_NEW_PRIVS = 38
_PR_CAPBSET_DROP = 24
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 40

_libc = ctypes.CDLL(None, use_errno=True)


def drop(uid: int) -> None:
    """Becomes this user, without groups and capabilities, and with no way back (capabilities(7), prctl(2)).

    In a user namespace that maps root alone there is no other user to become; then the capabilities go all the same.

    Raises:
        OSError: the kernel refused a step.
    """
    if os.geteuid() != 0:
        return
    for capability in range(_LAST_CAPABILITY + 1):
        # One that this kernel does not know yet is none that we could have.
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    if is_mapped(uid):
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    _clear_capabilities()
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs")


def is_mapped(uid: int) -> bool:
    """Whether this user namespace has such a user; one that an ordinary user made has root alone."""
    with Path("/proc/self/uid_map").open(encoding="ascii") as file:
        ranges = [tuple(map(int, line.split())) for line in file]
    return any(inside <= uid < inside + count for inside, _, count in ranges)


def _clear_capabilities() -> None:
    # capset(2): a header of version and pid, then effective, permitted and inheritable, each in two halves.
    header = ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITY_VERSION_3, 0))
    data = ctypes.create_string_buffer(bytes(24))
    if _libc.capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capset")
