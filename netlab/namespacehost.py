"""Hosts made of namespaces, each held by one small process."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePath

from netlab import kernel
from netlab.errors import NothingArrived
from netlab.host import check_name
from netlab.labhost import LabHost, set_forwarding
from netlab.namespaces import Inhabitants, Namespaces
from netlab.process import HANGS_S, Completed, LocalProcess
from netlab.programs import FOLDERS, Programs
from netlab.rtnetlink import Netlink


class NamespaceHost(LabHost):
    """A network, a mount and a UTS namespace of its own: the kind of host that `Lab.host` makes by default.

    `/run` is private, so that interface names, `ip netns` names and the sockets of userspace WireGuard never collide
    between hosts. All other files are shared with the caller.
    """

    def __init__(self, name: str, folder: Path, hosts_file: Path, *, forwards: bool = False) -> None:
        """Makes the host, with `lo` up and no other link.

        Args:
            name: name of the host, and its host name.
            folder: folder of the host; made here.
            hosts_file: file to mount as `/etc/hosts`.
            forwards: make it a router, for IPv4 and IPv6.

        Raises:
            InvalidName: `name` is not a host name.
            OSError: the kernel refuses the namespaces.
        """
        check_name(name)
        folder.mkdir()
        namespaces = Namespaces.create(("net", "mnt", "uts"), lambda: _furnish(name, hosts_file, forwards))
        self._inside = Programs(name, namespaces)
        try:
            # Reads the pipe until the lab's process is gone, however that happens. (PDEATHSIG would not do: it fires
            # when the thread ends that started the process.)
            self._holder = namespaces.enter(
                lambda: subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd="/")
            )
            super().__init__(name, folder, namespaces)
        except BaseException:
            namespaces.close()
            raise

    @property
    def pid(self) -> int:
        """Id of the process that holds the namespaces, for `nsenter --target`."""
        return self._holder.pid

    def shell_command(self) -> list[str]:
        """Returns the command line of a shell in this host, to run as root in the caller's pid namespace."""
        return ["nsenter", f"--target={self.pid}", "--net", "--mount", "--uts", os.environ.get("SHELL", "/bin/sh")]

    def run(
        self,
        *argv: str | PurePath,
        input: str | None = None,
        timeout: float = HANGS_S,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        """Runs a program in this host and waits for its end; see `Host.run`."""
        words = tuple(map(str, argv))
        return self._inside.run(words, input=input, timeout=timeout, check=check, env=env, cwd=cwd)

    def start(
        self,
        *argv: str | PurePath,
        env: Mapping[str, str] | None = None,
        log: str | None = None,
        cwd: Path | None = None,
    ) -> LocalProcess:
        """Starts a program in this host and leaves it running; see `Host.start`."""
        words = tuple(map(str, argv))
        path = self.folder / f"{log or f'{Path(words[0]).name}-{self.number()}'}.log"
        process = self._inside.start(words, path, env=env, cwd=cwd)
        self._processes.append(process)
        return process

    def fork(
        self, function: Callable[[], object], name: str, *, log: str, env: Mapping[str, str] | None = None
    ) -> LocalProcess:
        """Starts a process in this host that runs a function of the calling program, which need not be loaded again.

        Call it while no thread of the calling program could hold a lock that the function needs.

        Args:
            function: the function.
            name: name of the process, at most 15 bytes.
            log: name of the log, which is continued if it exists.
            env: variables to add to those of the calling process.

        Returns:
            The running process.

        Raises:
            CommandFailed: it could not be started.
        """
        process = self._inside.start((name,), self.folder / f"{log}.log", env=env, instead=function)
        self._processes.append(process)
        return process

    def read(self, path: PurePath) -> bytes:
        """Returns the content of a file of this host, which has its own `/run` and `/etc/hosts`.

        Raises:
            OSError: the file can't be read.
        """
        return self._namespaces.enter(Path(path).read_bytes)

    def write(self, path: PurePath, data: bytes, mode: int = 0o644) -> None:
        """Makes a file of this host, or overwrites it; see `Host.write`."""

        def body() -> None:
            file = Path(path)
            file.touch(mode=mode)
            file.chmod(mode)
            file.write_bytes(data)

        self._namespaces.enter(body)

    def which(self, program: str) -> str | None:
        """Returns the path of a program in this host, or None if it has no program of that name."""
        return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{FOLDERS}")

    def close(self, timeout_s: float = 5.0) -> None:
        """Kills every process in this host and lets its namespaces go. Called by the lab.

        Args:
            timeout_s: seconds within which one more process has to die.

        Raises:
            NothingArrived: no more processes died in time.
        """
        close_hosts([self], timeout_s)

    @property
    def is_open(self) -> bool:
        """True until it is closed."""
        return self._holder.returncode is None

    def let_go(self) -> None:
        """Lets its namespaces go, in which no process is left but the one that holds them."""
        for process in self._processes:
            process.poll()
        if self._holder.stdin is not None:
            self._holder.stdin.close()
        self._holder.kill()
        self._holder.wait()
        self._namespaces.close()


def close_hosts(hosts: Iterable[NamespaceHost], timeout_s: float = 5.0) -> None:
    """Closes hosts together: the machine's processes are looked through for all of them, and not for each.

    Args:
        hosts: the hosts; those that are closed are left out.
        timeout_s: seconds within which one more process has to die.

    Raises:
        NothingArrived: no more processes died in time.
    """
    left_open = [host for host in hosts if host.is_open]
    if not left_open:
        return
    for host in left_open:
        host.netlink.close()
    inhabitants = Inhabitants(*(host.namespaces.identity for host in left_open))
    holders = {host.pid for host in left_open}
    fewest, deadline = sys.maxsize, 0.0
    while left := [pid for pid in inhabitants.pids() if pid not in holders]:
        if len(left) < fewest:
            fewest, deadline = len(left), time.monotonic() + timeout_s
        elif time.monotonic() > deadline:
            names = ", ".join(host.name for host in left_open)
            raise NothingArrived(f"end of processes {left} in {names}", timeout_s)
        for pid in left:
            # A pid read from /proc may be another's by now: the descriptor pins it, then it is looked at again.
            with contextlib.suppress(OSError):
                handle = os.pidfd_open(pid)
                try:
                    if pid in inhabitants:
                        signal.pidfd_send_signal(handle, signal.SIGKILL)
                finally:
                    os.close(handle)
        time.sleep(0.002)
    for host in left_open:
        host.let_go()


def _furnish(name: str, hosts_file: Path, forwards: bool) -> None:
    """Sets up mounts, host name and `lo`. Runs inside the new namespaces."""
    kernel.make_mounts_private()
    kernel.set_hostname(name)
    temporary = Path(tempfile.gettempdir()).resolve()
    handle = os.open(temporary, os.O_PATH | os.O_CLOEXEC)
    try:
        kernel.mount("tmpfs", "/run", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
        for folder in ("netns", "wireguard", "lock"):
            Path("/run", folder).mkdir()
        if temporary.is_relative_to("/run"):
            # The private /run just covered the temporary folder, where the folders of hosts lie.
            temporary.mkdir(parents=True)
            kernel.mount(f"/proc/thread-self/fd/{handle}", str(temporary), None, kernel.MS_BIND)
    finally:
        os.close(handle)
    other = Path("/var/run")
    if other.is_dir() and other.resolve() != Path("/run"):
        kernel.mount("/run", str(other), None, kernel.MS_BIND | kernel.MS_REC)
    if Path("/etc/hosts").is_file():
        kernel.mount(str(hosts_file), "/etc/hosts", None, kernel.MS_BIND)
    # /sys shows the network namespace that it was mounted in. Where it can't be mounted anew, only tools that look
    # for links below /sys/class/net notice.
    with contextlib.suppress(OSError):
        kernel.mount("sysfs", "/sys", "sysfs", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    set_forwarding(forwards)
    netlink = Netlink.here()
    try:
        netlink.set_up("lo")
    finally:
        netlink.close()
