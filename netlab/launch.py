"""Launcher of sandboxes: the process outside, and pid 1 inside. `netlab.sandbox` is its public face.

Three processes take part. The launcher waits outside. Its child is pid 1, which sets up the mounts, reaps orphans and
passes signals on. The program is pid 1's child. (`unshare --fork` isn't enough: it blocks SIGTERM, and a program that
is itself pid 1 has no default signal actions and leaves zombies.)
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from netlab import forked, idmap, kernel
from netlab.errors import SandboxError

_FORWARDED = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2})
_SI_KERNEL = 0x80
_NOT_EXECUTABLE = 126  # POSIX shells use this status too
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_TEMPORARY = Path("/run/tmp")
_NAMESPACES = kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWPID | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC


def launch(argv: Sequence[str], *, die_with_parent: bool = False) -> int:
    """Runs a program in a sandbox. Changes the calling process for good: call it last.

    Args:
        argv: the program (looked up in PATH) and its arguments.
        die_with_parent: kill the sandbox when the *thread* that started the calling process ends.

    Returns:
        The program's exit status; 128 + n after signal n.

    Raises:
        SandboxError: there can't be a sandbox here, or there is no such program.
    """
    if shutil.which(argv[0]) is None:
        raise SandboxError(f"There is no program {argv[0]!r} to run in the sandbox.")
    return call(lambda: _become(argv), die_with_parent=die_with_parent)


def call(body: Callable[[], object], *, die_with_parent: bool = False) -> int:
    """Runs a function of this program in a sandbox, in a process of its own. Changes the calling process for good.

    Args:
        body: the function.
        die_with_parent: kill the sandbox when the *thread* that started the calling process ends.

    Returns:
        0 once the function has returned, the status it gave `sys.exit`, or 1; 128 + n after signal n.

    Raises:
        SandboxError: there can't be a sandbox here.
    """
    if die_with_parent:
        kernel.die_with_parent()
    _check_tun()
    _unshare()
    # Blocked in all three processes from before they exist, so that no signal is lost; the program unblocks them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED | {signal.SIGCHLD})
    alive, only_for_parent = os.pipe()
    first = os.fork()
    if first == 0:
        os.close(only_for_parent)
        _in_child(lambda: _first_process(body, alive))
    os.close(alive)
    status = _wait_for(first)
    os.close(only_for_parent)
    return status


def _in_child(body: Callable[[], int]) -> NoReturn:
    """Runs the rest of a forked process, which must never return into its parent's code."""
    status = 125
    try:
        status = body()
    except SandboxError as error:
        os.write(2, f"netlab: {error}\n".encode())
    except OSError as error:
        os.write(2, f"netlab: The sandbox could not be set up: {error.strerror}.\n".encode())
    finally:
        os._exit(status)


def _unshare() -> None:
    if os.geteuid() == 0:
        try:
            kernel.unshare(_NAMESPACES)
        except PermissionError:
            # root without CAP_SYS_ADMIN, as in a container: no more than an ordinary user.
            pass
        else:
            return
    try:
        idmap.map_users(lambda: kernel.unshare(kernel.CLONE_NEWUSER | _NAMESPACES))
    except OSError as error:
        raise SandboxError(_why_no_namespaces(error)) from error


def _why_no_namespaces(error: OSError) -> str:
    def setting(path: str) -> str:
        try:
            return Path("/proc/sys", path).read_text().strip()
        except OSError:
            return ""

    cannot = "An ordinary user can't make namespaces on this machine"
    if setting("kernel/unprivileged_userns_clone") == "0":
        return f"{cannot}: run as root, or set sysctl kernel.unprivileged_userns_clone=1."
    if setting("user/max_user_namespaces") == "0":
        return f"{cannot}: run as root, or raise sysctl user.max_user_namespaces above 0."
    if setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
        return f"{cannot}: run as root, or set sysctl kernel.apparmor_restrict_unprivileged_userns=0."
    return f"The kernel refuses namespaces to this process ({error.strerror}): run as root, outside of a container."


def _check_tun() -> None:
    if Path("/sys/module/wireguard").exists():
        return
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        raise SandboxError(
            "The kernel has no WireGuard and /dev/net/tun can't be opened "
            f"({error.strerror}): load the module `tun` and give the device mode 0666."
        ) from error


def _first_process(body: Callable[[], object], alive: int) -> int:
    kernel.die_with_parent()
    # The launcher may have died before that call: then its end of the pipe is closed.
    fcntl.fcntl(alive, fcntl.F_SETFL, os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        if os.read(alive, 1) == b"":
            return 137
    os.close(alive)
    # Other users of the sandbox need to get into folders made in it, whatever umask the starter has.
    os.umask(0o022)
    _mount_private_folders()
    _bring_loopback_up()
    os.environ.update({"NETLAB_SANDBOX": "1", "TMPDIR": str(_TEMPORARY)})
    # tempfile remembers its answer, and may have been asked before.
    tempfile.tempdir = None
    program = os.fork()
    if program == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        forked.end_with(body)
    return _wait_for(program)


def _become(argv: Sequence[str]) -> NoReturn:
    # Python ignores these two signals, and programs inherit that.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(argv[0], list(argv))  # noqa: S606 - no shell is wanted
    except OSError as error:
        print(f"netlab: {argv[0]} can't be run: {error.strerror}.", file=sys.stderr)
        raise SystemExit(_NOT_EXECUTABLE) from error


def _wait_for(child: int) -> int:
    """Reaps every child and passes signals on until `child` ends; returns its status as a shell would."""
    while True:
        received = signal.sigwaitinfo(_FORWARDED | {signal.SIGCHLD})
        if received.si_signo == signal.SIGCHLD:
            for pid, status in _ended_children():
                if pid == child:
                    code = os.waitstatus_to_exitcode(status)
                    return code if code >= 0 else 128 - code
        # A terminal's Ctrl-C has the kernel signal the whole process group, the program included: once is enough.
        elif received.si_code != _SI_KERNEL:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, received.si_signo)


def _ended_children() -> Iterator[tuple[int, int]]:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0] != 0:
            yield ended


def _mount_private_folders() -> None:
    kernel.make_mounts_private()
    try:
        kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    except OSError as error:
        raise SandboxError(
            f"The kernel refuses a /proc of its own to the sandbox ({error.strerror}): run outside of a container, "
            "or in one whose /proc is not masked."
        ) from error
    kernel.mount("tmpfs", "/run", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
    for name in ("netns", "wireguard", "lock"):
        Path("/run", name).mkdir()
    # Not over /tmp: the program that is about to run, or its input, may lie there.
    _TEMPORARY.mkdir()
    _TEMPORARY.chmod(0o1777)
    other = Path("/var/run")
    if other.is_dir() and other.resolve() != Path("/run"):
        kernel.mount("/run", str(other), None, kernel.MS_BIND | kernel.MS_REC)


def _bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        (flags,) = struct.unpack_from("H", fcntl.ioctl(sock, _SIOCGIFFLAGS, struct.pack("16s24x", b"lo")), 16)
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | _IFF_UP))
