"""Permanent loss of root's privileges, or of most of them."""

from __future__ import annotations

import os
import platform
import resource
import struct
from collections.abc import Collection
from contextlib import suppress
from enum import IntEnum
from pathlib import Path

from appliance import libc

_PR_SET_NO_NEW_PRIVS = 38
_PR_CAPBSET_DROP = 24
_PR_SET_DUMPABLE = 4
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 40
# Numbers of <asm/unistd.h>; the C library has no function for it.
_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "ppc64le": 271, "s390x": 280, "armv7l": 311}
_KEYCTL_JOIN_SESSION_KEYRING = 1


class Capability(IntEnum):
    """Numbers of <linux/capability.h>."""

    CHOWN = 0
    DAC_OVERRIDE = 1
    FOWNER = 3
    KILL = 5
    SETGID = 6
    SETUID = 7
    SETPCAP = 8
    NET_ADMIN = 12
    NET_RAW = 13
    SYS_ADMIN = 21


def keep_only(capabilities: Collection[Capability]) -> None:
    """Give up all other capabilities, in this process and its children, and turn core dumps off.

    Raises:
        OSError: the kernel refused a step.
    """
    _never_regain(capabilities)
    _set_capabilities(sum(1 << capability for capability in capabilities) & _permitted())
    _never_gain()
    never_dump()


def never_dump() -> None:
    """Turn core dumps off, and deny other processes of this user access to this process (prctl(2)).

    The resource limit alone does not apply to a program that the kernel pipes dumps to (core(5)). A child inherits the
    limit, and a forked one everything.

    Raises:
        OSError: the kernel refused a step.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc.prctl(_PR_SET_DUMPABLE, 0)


def become(uid: int, gid: int) -> None:
    """Become this user for good, without groups, capabilities and core dumps (capabilities(7), prctl(2)).

    In a user namespace that maps root alone the user stays root, without capabilities. A process that is not root only
    turns core dumps off.

    Raises:
        OSError: the kernel refused a step.
    """
    if os.geteuid() != 0:
        never_dump()
        return
    _never_regain(())
    if is_mapped(uid):
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    _set_capabilities(0)
    _never_gain()
    _leave_keyring()
    # Last, because a change of the user resets it.
    never_dump()


def _never_regain(kept: Collection[Capability]) -> None:
    """Remove all capabilities but these from the bounding set."""
    for capability in range(_LAST_CAPABILITY + 1):
        if capability not in kept:
            # An older kernel refuses capabilities that it doesn't know, and grants none of them.
            with suppress(OSError):
                libc.prctl(_PR_CAPBSET_DROP, capability)


def _never_gain() -> None:
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _leave_keyring() -> None:
    """Join an empty session keyring, because the inherited one has the keys of root's login (session-keyring(7)).

    A refusal is ignored: a container that forbids the call forbids every access to keyrings.
    """
    number = _KEYCTL.get(platform.machine())
    if number is not None:
        with suppress(OSError):
            libc.syscall(number, _KEYCTL_JOIN_SESSION_KEYRING, None)


def leave_groups() -> None:
    """Drop root's supplementary groups, so that `users.file_access_as` doesn't keep their rights.

    A refusal is ignored: a user namespace of an ordinary user may forbid it, and has no other users.
    """
    if os.geteuid() == 0:
        with suppress(PermissionError):
            os.setgroups([])


def is_mapped(uid: int) -> bool:
    """True if this user namespace has such a user; one of an ordinary user has root alone."""
    with Path("/proc/self/uid_map").open(encoding="ascii") as file:
        ranges = [tuple(map(int, line.split())) for line in file]
    return any(inside <= uid < inside + count for inside, _, count in ranges)


def _permitted() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("CapPrm:"))
    return int(line.split()[1], 16)


def _set_capabilities(capabilities: int) -> None:
    # capset(2): a header of version and pid, then effective, permitted and inheritable, each in two halves.
    low, high = capabilities & 0xFFFFFFFF, capabilities >> 32
    libc.capset(struct.pack("Ii", _CAPABILITY_VERSION_3, 0), struct.pack("6I", low, low, 0, high, high, 0))
