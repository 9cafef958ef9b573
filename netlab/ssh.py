"""Hosts over SSH. Needs the extra `netlab-ssh`, and on the host `python3` for pings and captures.

A host over SSH is somebody's machine: netlab makes neither its links nor its addresses. `Remotes` opens the hosts of a
plan, and checks that they have the addresses that it gives them.
"""

from __future__ import annotations

import json
import shlex
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path, PurePath, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from netlab import ping
from netlab.errors import HostUnavailable, OutOfReach
from netlab.host import Host, check_name
from netlab.plan import Plan
from netlab.process import Process
from netlab.programs import FOLDERS
from netlab.remote import GRACE_S, Executed, RemotePrograms
from netlab.sshlogin import Login, connect

if TYPE_CHECKING:
    from paramiko import Channel

T = TypeVar("T")

_LOGIN_S = 10.0
"""Seconds for a connection and its login."""

# Makes the host's folder and names it, waits for the end of its input, which comes with the end of the connection
# however that ends, and then takes away whatever the caller left: tunnels, programs, the folder.
_HOLD = f"""\
PATH=$PATH:{FOLDERS}
folder=$(mktemp -d /tmp/netlab-XXXXXX) || exit 1
trap : HUP TERM
echo "$folder"
cat >/dev/null
exec >/dev/null 2>&1
for file in "$folder"/*.conf; do [ ! -e "$file" ] || wg-quick down "$file"; done
for file in "$folder"/process-*.pid; do [ ! -e "$file" ] || kill -s KILL -- "-$(cat "$file")"; done
rm -rf -- "$folder"
"""


class SshHost(RemotePrograms):
    """A host over SSH. When the connection ends, by `close()` or with the caller, the programs started there end too.

    The caller's sockets and threads can't be in the host's network: `socket` and `in_network` raise OutOfReach.

    Attributes:
        login: the way to the host.
    """

    def __init__(self, name: str, login: Login, *, sock: socket.socket | None = None) -> None:
        """Connects to the host.

        Args:
            name: name of the host.
            login: the way to the host.
            sock: an open connection to the SSH server; None makes one.

        Raises:
            HostUnavailable: no connection, another host key than expected, no login, or no shell.
            InvalidName: `name` is not a host name.
        """
        check_name(name)
        self.login = login
        self._client = connect(name, login, _LOGIN_S, sock)
        try:
            self._holder = self._open(name, ["sh", "-c", _HOLD], _LOGIN_S)
            folder = self._holder.makefile("r").readline().strip()
        except BaseException:
            self._client.close()
            raise
        if not folder:
            self._client.close()
            raise HostUnavailable(name, "no folder could be made below /tmp")
        super().__init__(name, PurePosixPath(folder))

    def in_network(self, function: Callable[[], T]) -> T:  # noqa: ARG002 - there is nothing to run it in
        """Raises OutOfReach."""
        raise OutOfReach(self.name, "its network")

    def route(self, destination: str, *, via: str | None = None, interface: str | None = None) -> None:
        """Adds a route, which the host keeps; see `Host.route`.

        Raises:
            CommandFailed: `ip` refuses it.
        """
        way = [*(("via", via) if via else ()), *(("dev", interface) if interface else ())]
        family = "-6" if ":" in destination else "-4"
        self.run("ip", family, "route", "add", destination, *way)

    def ping(
        self,
        address: str,
        count: int = 1,
        timeout: float = 1.0,
        interval: float = 0.2,
        source: str | None = None,
        size: int = 56,
    ) -> ping.PingResult:
        """Sends ICMP echo requests from this host, which runs netlab's own ping; see `netlab.ping.ping`."""
        asked = ping.PingRequest(address, count, timeout, interval, source, size)
        program = Path(ping.__file__).read_text()
        deadline = GRACE_S + timeout + count * interval
        done = self.run("python3", "-I", "-S", "-", json.dumps(asdict(asked)), input=program, timeout=deadline)
        return ping.PingResult.from_json(done.stdout)

    def start_tool(self, source: Path, *arguments: str | PurePath, log: str) -> Process:
        """Copies one of netlab's own programs to this host and starts it; see `Host.start_tool`."""
        copy = self.folder / source.name
        self.write(copy, source.read_bytes())
        return self.start("python3", "-I", "-S", copy, *arguments, log=log)

    def shell_command(self) -> list[str]:
        """Returns the command line of a shell in this host, by the `ssh` of the caller's machine."""
        key = ["-i", str(self.login.key_file)] if self.login.key_file else []
        shell = [*self.login.elevate, "sh"] if self.login.elevate else []
        return ["ssh", "-t", *key, "-p", str(self.login.port), f"{self.login.user}@{self.login.address}", *shell]

    def close(self) -> None:
        """Ends the programs started there, takes tunnels down, removes the folder, and closes the connection."""
        transport = self._client.get_transport()
        if transport is not None and transport.is_active():
            self._holder.shutdown_write()
            self._holder.settimeout(GRACE_S)
            self._holder.recv_exit_status()
        self._client.close()

    def _open(self, name: str, argv: Sequence[str], deadline_s: float) -> Channel:
        from paramiko import SSHException

        transport = self._client.get_transport()
        try:
            if transport is None:
                raise HostUnavailable(name, "the connection is closed")
            channel = transport.open_session(timeout=deadline_s)
            channel.settimeout(deadline_s)
            channel.exec_command(shlex.join([*self.login.elevate, *argv]))  # each word is quoted  # nosec B601
        except (SSHException, EOFError, OSError) as error:
            raise HostUnavailable(name, f"ssh: {error}") from error
        return channel

    def _execute(self, argv: Sequence[str], input: bytes, deadline_s: float) -> Executed:
        channel = self._open(self.name, argv, deadline_s)
        errors: list[bytes] = []
        threads = [
            threading.Thread(target=lambda: errors.append(channel.makefile_stderr("rb").read()), daemon=True),
            threading.Thread(target=_send, args=(channel, input), daemon=True),
        ]
        try:
            for thread in threads:
                thread.start()
            out = channel.makefile("rb").read()
            for thread in threads:
                thread.join(deadline_s)
            status = channel.recv_exit_status()
        except (EOFError, OSError) as error:
            raise HostUnavailable(self.name, f"ssh: {error or 'no answer in time'}") from error
        finally:
            channel.close()
        if status == -1:
            raise HostUnavailable(self.name, "ssh: the connection was lost")
        return Executed(status, out, b"".join(errors))


class Remotes:
    """The hosts of a plan, each over SSH, for as long as `with` lasts.

    The plan's switches and shapes are not made. The hosts must have the plan's addresses already.
    """

    def __init__(self, plan: Plan, logins: Mapping[str, Login]) -> None:
        """Connects to all hosts of a plan.

        Args:
            plan: the plan.
            logins: the way to each host, by name.

        Raises:
            HostUnavailable: a host can't be reached, has no login, or lacks an address of the plan.
        """
        self._stack = ExitStack()
        self._hosts: dict[str, Host] = {}
        with ExitStack() as stack:
            for host in plan.hosts:
                if host.name not in logins:
                    raise HostUnavailable(host.name, "the plan has it, but there is no login for it")
                opened = SshHost(host.name, logins[host.name])
                stack.callback(opened.close)
                missing = plan.addresses_of(host.name) - set(opened.addresses())
                if missing:
                    raise HostUnavailable(host.name, f"it has no address {', '.join(sorted(missing))}, as planned")
                self._hosts[host.name] = opened
            self._stack = stack.pop_all()

    @property
    def hosts(self) -> Mapping[str, Host]:
        """Hosts by name."""
        return MappingProxyType(self._hosts)

    def __enter__(self) -> Remotes:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes every host. May be called twice."""
        self._stack.close()


def _send(channel: Channel, data: bytes) -> None:
    # A program that ends without reading all of its input closes the channel.
    try:
        channel.sendall(data)
        channel.shutdown_write()
    except OSError:
        return
