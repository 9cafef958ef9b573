"""Attempts to have more rights than the web process."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import secrets
import stat
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tests.appliance.inside.attempts import Attempt, Targets, check, libc

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_PR_GET_NO_NEW_PRIVS = 39
_IS_X86 = platform.machine() == "x86_64"
_ADD_KEY, _KEYCTL = (248, 250) if _IS_X86 else (217, 219)
_KEYCTL_SEARCH, _SESSION_KEYRING = 10, ctypes.c_long(-3)
_KEY_NAME = b"meshwg-inside"


def _become_root(_: Targets) -> None:
    check(libc.setresuid(0, 0, 0))


def _join_group(_: Targets) -> None:
    os.setgroups([0])


def _gain_by_program(_: Targets) -> None:
    if check(libc.prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)):
        raise OSError(errno.EPERM, "no program gives it more rights (no_new_privs)")


def _dump_core(_: Targets) -> None:
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except ValueError as error:
        raise OSError(errno.EPERM, str(error)) from None


def _have_namespaces(flags: int, _: Targets) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0 if libc.unshare(flags) == 0 else ctypes.get_errno())
    number = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if number:
        raise OSError(number, os.strerror(number))


def _enter_network(targets: Targets) -> None:
    descriptor = os.open(f"/run/netns/{targets.place}", os.O_RDONLY)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if libc.setns(descriptor, 0) == 0 else ctypes.get_errno())
    os.close(descriptor)
    number = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if number:
        raise OSError(number, os.strerror(number))


def _make_device(_: Targets) -> None:
    # Process ids are a sandbox's own, and the folder is everybody's.
    path = Path(f"/tmp/meshwg-inside-{secrets.token_hex(8)}")
    os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 1))
    path.unlink()


def _use_roots_keys(_: Targets) -> None:
    check(libc.syscall(_KEYCTL, _KEYCTL_SEARCH, _SESSION_KEYRING, b"user", _KEY_NAME, 0))


def keep_key() -> None:
    """Puts a key into the session keyring of this process, as a log-in of root does."""
    check(libc.syscall(_ADD_KEY, b"user", _KEY_NAME, b"x", 1, _SESSION_KEYRING))


ROWS: Mapping[str, Attempt] = {
    "use the keys of root's log-in": _use_roots_keys,
    "become root": _become_root,
    "join root's group": _join_group,
    "gain rights by a program": _gain_by_program,
    "leave a core dump": _dump_core,
    "have mounts of its own": partial(_have_namespaces, _CLONE_NEWNS),
    "be root in a namespace of its own": partial(_have_namespaces, _CLONE_NEWUSER),
    "enter an organization's network": _enter_network,
    "make a device": _make_device,
}
