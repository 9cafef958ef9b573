"""Attempts on the processes of root and of WireGuard."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.appliance.inside.attempts import Attempt, Targets, check, libc

_PTRACE_ATTACH, _PTRACE_DETACH = 16, 17
_PIDFD_OPEN, _PIDFD_GETFD = 434, 438


def _each(what: Callable[[int], object]) -> Attempt:
    """Makes the attempt on every process; one success is enough."""

    def attempt(targets: Targets) -> None:
        complaints: list[OSError] = []
        for pid in targets.processes.values():
            try:
                what(pid)
            except OSError as error:
                complaints.append(error)
            else:
                return
        raise complaints[0]

    return attempt


def _open(flags: int, name: str) -> Callable[[int], None]:
    def attempt(pid: int) -> None:
        os.close(os.open(f"/proc/{pid}/{name}", flags))

    return attempt


def _trace(pid: int) -> None:
    check(libc.ptrace(_PTRACE_ATTACH, pid, None, None))
    os.waitpid(pid, 0x40000000)
    check(libc.ptrace(_PTRACE_DETACH, pid, None, None))


def _read_memory(pid: int) -> None:
    # Where the first mapping is takes a look at /proc; an address that is none tells as well whether it was allowed.
    data = ctypes.create_string_buffer(8)
    local = (ctypes.c_void_p * 2)(ctypes.addressof(data), 8)
    remote = (ctypes.c_void_p * 2)(4096, 8)
    try:
        check(libc.process_vm_readv(pid, local, 1, remote, 1, 0))
    except OSError as error:
        if error.errno != errno.EFAULT:
            raise


def _take_descriptor(pid: int) -> None:
    process = check(libc.syscall(_PIDFD_OPEN, pid, 0))
    try:
        os.close(check(libc.syscall(_PIDFD_GETFD, process, 0, 0)))
    finally:
        os.close(process)


def _limit(pid: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_NOFILE, resource.prlimit(pid, resource.RLIMIT_NOFILE))


def _hurry(pid: int) -> None:
    os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid))


def _find_others_of_this_user(targets: Targets) -> None:
    """Looks for a process of this user that the web process did not start, as WireGuard's."""
    del targets
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "status").read_text()
            is_ours = os.getsid(int(folder.name)) == os.getsid(0)
        except OSError:
            continue
        uids = next(line for line in words.splitlines() if line.startswith("Uid:")).split()[1:]
        if str(os.getuid()) in uids and not is_ours:
            return
    raise ProcessLookupError(errno.ESRCH, "no other process has this user")


ROWS: Mapping[str, Attempt] = {
    "signal root's and WireGuard's processes": _each(lambda pid: os.kill(pid, 0)),
    "read their memory by /proc": _each(_open(os.O_RDONLY, "mem")),
    "read their memory by a call": _each(_read_memory),
    "read their environment": _each(_open(os.O_RDONLY, "environ")),
    "read where their memory lies": _each(_open(os.O_RDONLY, "maps")),
    "list their open files": _each(lambda pid: list(Path(f"/proc/{pid}/fd").iterdir())),
    "take one of their open files": _each(_take_descriptor),
    "go through their root": _each(lambda pid: Path(f"/proc/{pid}/root/etc").stat()),
    "go through their working folder": _each(lambda pid: Path(f"/proc/{pid}/cwd/.").stat()),
    "trace them": _each(_trace),
    "change their limits": _each(_limit),
    "change their priority": _each(_hurry),
    "have them killed first when memory is short": _each(_open(os.O_WRONLY, "oom_score_adj")),
    "find another process of this user": _find_others_of_this_user,
}
