"""A host of a lab: namespaces with a name, in which programs run and sockets live."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from netlab import kernel
from netlab.errors import CommandFailed, CommandTimedOut, InvalidName, NothingArrived
from netlab.namespaces import Namespaces, lives_in, processes_in
from netlab.ping import PingResult, ping
from netlab.process import Completed, Process
from netlab.rtnetlink import Netlink

if TYPE_CHECKING:
    from netlab.capture import Capture
    from netlab.wireguard import Tunnel

T = TypeVar("T")

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Host:
    """One network, mount and UTS namespace, held by one small process. Made by `Lab.host`.

    `/run` is private, so that interface names, `ip netns` names and the sockets of userspace WireGuard never collide
    between hosts. All other files are shared with the caller.

    Attributes:
        name: also its host name.
        folder: its own writable folder, at the same path everywhere.
        pid: a process that lives in its namespaces until the lab closes.
    """

    def __init__(self, name: str, folder: Path, hosts_file: Path, *, forwards: bool = False) -> None:
        if not _NAME.fullmatch(name):
            raise InvalidName(f"{name!r} is no host name: 1 to 63 of a-z, 0-9 and -, no - at either end")
        self.name = name
        self.folder = folder
        self.folder.mkdir()
        self._processes: list[Process] = []
        self._logs = itertools.count(1)
        self._namespaces = Namespaces.create(("net", "mnt", "uts"), lambda: _furnish(name, hosts_file, forwards))
        try:
            # Reads the pipe until the lab's process is gone, however that happens. (PDEATHSIG would not do: it fires
            # when the thread ends that started the process.)
            self._holder = self._namespaces.enter(
                lambda: subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd="/")
            )
            self.netlink = Netlink(self.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE))
        except BaseException:
            self._namespaces.close()
            raise

    def __repr__(self) -> str:
        return f"<Host {self.name} pid {self.pid}>"

    @property
    def pid(self) -> int:
        """Id of the process that holds the namespaces, for `nsenter --target`."""
        return self._holder.pid

    @property
    def namespaces(self) -> Namespaces:
        """The namespaces themselves."""
        return self._namespaces

    def shell_command(self) -> list[str]:
        """What to run, as root in the caller's pid namespace, for a shell in this host."""
        return ["nsenter", f"--target={self.pid}", "--net", "--mount", "--uts", os.environ.get("SHELL", "/bin/sh")]

    def run(
        self,
        *argv: str | Path,
        input: str | None = None,
        timeout: float = 10.0,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        """Runs a program in this host and waits for its end.

        Args:
            argv: the program and its arguments.
            input: its standard input; empty if None.
            timeout: seconds until it is killed, with its process group.
            check: raise if its exit status is not 0.
            env: variables on top of the caller's.
            cwd: its working directory; the caller's if None.

        Raises:
            CommandFailed: it could not be started, or ended with another status than 0.
            CommandTimedOut: its time was up.
        """
        words = tuple(map(str, argv))
        start = time.monotonic()
        popen = self._spawn(words, env, cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = popen.communicate(None if input is None else input.encode(), timeout)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(popen.pid, signal.SIGKILL)
            out, err = popen.communicate()
            raise CommandTimedOut(self.name, words, None, _text(out), _text(err)) from None
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(popen.pid, signal.SIGKILL)
            popen.wait()
            raise
        done = Completed(words, popen.returncode, _text(out), _text(err), time.monotonic() - start)
        if check and done.returncode != 0:
            raise CommandFailed(self.name, words, done.returncode, done.stdout, done.stderr)
        return done

    def start(
        self, *argv: str | Path, env: Mapping[str, str] | None = None, log: str | None = None, cwd: Path | None = None
    ) -> Process:
        """Starts a program in this host and leaves it running; its output goes to `folder/LOG.log`.

        Args:
            argv: the program and its arguments.
            env: variables on top of the caller's.
            log: name of the log; the program's name and a number if None. An existing one is continued.
            cwd: its working directory; the caller's if None.

        Raises:
            CommandFailed: it could not be started.
        """
        words = tuple(map(str, argv))
        path = self.folder / f"{log or f'{Path(words[0]).name}-{next(self._logs)}'}.log"
        with path.open("ab") as file:
            popen = self._spawn(words, env, cwd, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        process = Process(words, popen, path)
        self._processes.append(process)
        return process

    def _spawn(
        self, argv: tuple[str, ...], env: Mapping[str, str] | None, cwd: Path | None, **streams: object
    ) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **(env or {})}
        environment["PATH"] = f"{environment.get('PATH', '')}:{_PATH}".lstrip(":")
        folder = cwd or Path.cwd()
        try:
            return self._namespaces.enter(
                lambda: subprocess.Popen(  # type: ignore[call-overload]
                    argv, env=environment, cwd=folder, start_new_session=True, **streams
                )
            )
        except OSError as error:
            raise CommandFailed(self.name, argv, None, "", str(error)) from error

    def in_network(self, function: Callable[[], T]) -> T:
        """Runs `function` in a short-lived thread inside this host's network namespace and returns its result."""
        return self._namespaces.enter(function, only_network=True)

    def socket(self, family: int, kind: int, proto: int = 0) -> socket.socket:
        """A socket that lives in this host's network; any thread may use it, and must close it."""
        return self.in_network(lambda: socket.socket(family, kind, proto))

    def route(self, destination: str, *, via: str | None = None, interface: str | None = None) -> None:
        """Adds a route; `destination` is a network or `default`."""
        self.netlink.add_route(destination, via, interface)

    def addresses(self, interface: str | None = None) -> list[str]:
        """Its addresses with prefix length, of one interface or of all but `lo`; no link-local ones."""
        words = ["ip", "-json", "address", "show", *(["dev", interface] if interface else [])]
        return [
            f"{address['local']}/{address['prefixlen']}"
            for link in json.loads(self.run(*words).stdout)
            for address in link.get("addr_info", ())
            if address["scope"] == "global"
        ]

    def ping(
        self,
        address: str,
        count: int = 1,
        timeout: float = 1.0,
        interval: float = 0.2,
        source: str | None = None,
        size: int = 56,
    ) -> PingResult:
        """Sends ICMP echo requests from this host, without a child process; see `netlab.ping.ping`."""
        return ping(self.socket, address, count, timeout, interval, source, size)

    def wg_quick(
        self, config_text: str, file_name: str = "wg-mesh.conf", *, implementation: str = "auto", timeout: float = 10.0
    ) -> Tunnel:
        """Brings up a tunnel with the stock `wg-quick`; see `netlab.wireguard.wg_quick`."""
        from netlab.wireguard import wg_quick

        return wg_quick(self, config_text, file_name, implementation=implementation, timeout=timeout)

    def capture(self, interface: str, filter: str = "", snaplen: int = 262144) -> Capture:
        """Starts a packet capture on one of its interfaces; see `netlab.capture.Capture`."""
        from netlab.capture import Capture

        return Capture(self, interface, filter, snaplen)

    def processes(self) -> list[int]:
        """Ids of all processes that live in it now, daemons and the holder included."""
        return processes_in(self._namespaces.identity)

    def close(self, timeout_s: float = 5.0) -> None:
        """Kills all that runs in it and lets its namespaces go. The lab calls this.

        Raises:
            NothingArrived: a process did not die in time.
        """
        self.netlink.close()
        deadline = time.monotonic() + timeout_s
        own = {process.pid: process for process in self._processes}
        while True:
            left = [pid for pid in self.processes() if pid != self._holder.pid]
            for pid in left:
                # A pid read from /proc may be another's by now: the descriptor pins it, then it is looked at again.
                with contextlib.suppress(OSError):
                    handle = os.pidfd_open(pid)
                    try:
                        if lives_in(pid, self._namespaces.identity):
                            signal.pidfd_send_signal(handle, signal.SIGKILL)
                    finally:
                        os.close(handle)
            for process in own.values():
                process.poll()
            if not left:
                break
            if time.monotonic() > deadline:
                raise NothingArrived(f"end of processes {left} in {self.name}", timeout_s)
            time.sleep(0.002)
        if self._holder.stdin is not None:
            self._holder.stdin.close()
        self._holder.kill()
        self._holder.wait()
        self._namespaces.close()


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _furnish(name: str, hosts_file: Path, forwards: bool) -> None:
    """Runs inside the new namespaces."""
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
    # Said either way: a new namespace begins with what the machine itself does.
    Path("/proc/sys/net/ipv4/ip_forward").write_text(str(int(forwards)))
    with contextlib.suppress(FileNotFoundError):
        Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text(str(int(forwards)))
    netlink = Netlink.here()
    try:
        netlink.set_up("lo")
    finally:
        netlink.close()
