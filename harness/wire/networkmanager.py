"""NetworkManager in a lab: the program by which desktops and many servers import WireGuard configurations."""

from __future__ import annotations

import configparser
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import PurePath
from types import TracebackType

from harness.judging.verdicts import Inconclusive, Refuted
from netlab import CommandFailed, Completed, Host, wait_until

_PROGRAMS = ("NetworkManager", "nmcli", "dbus-daemon")
_PROFILES = PurePath("/run/NetworkManager/system-connections")
_READY_S = 15.0
_PAUSE_S = 0.02
_BUS = """\
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/>
    <allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"""
# Leaves the host's links, names and permissions alone.
_SETTINGS = """\
[main]
plugins=keyfile
no-auto-default=*
auth-polkit=false
dns=none
[keyfile]
unmanaged-devices=*,except:type:wireguard
"""
# Hides the settings and state of the machine's own NetworkManager.
_START_SCRIPT = """\
for folder in /etc/NetworkManager /var/lib/NetworkManager; do
    [ ! -d "$folder" ] || mount -t tmpfs tmpfs "$folder"
done
exec NetworkManager --no-daemon --config="$1" --state-file="$2"
"""


def is_installed(host: Host) -> bool:
    """Returns True if the host has all programs that `NetworkManager` needs."""
    return all(host.which(program) for program in _PROGRAMS)


class NetworkManager:
    """A NetworkManager with a message bus of its own, which runs while its ``with`` block does.

    Raises (on entering the block):
        Inconclusive: it does not start.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.folder / f"networkmanager-{host.number()}"
        self._bus = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self._folder}/bus"}
        self._stack = ExitStack()

    def __enter__(self) -> NetworkManager:
        folder, host = self._folder, self._host
        host.run("mkdir", folder)
        host.write(folder / "bus.conf", _BUS.format(socket=folder / "bus").encode())
        host.write(folder / "settings.conf", _SETTINGS.encode())
        try:
            self._start("dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork", "--nopidfile")
            self._wait_until(lambda: host.run("test", "-S", folder / "bus", check=False).returncode == 0)
            self._start(
                "unshare", "--mount", "sh", "-c", _START_SCRIPT, "sh", folder / "settings.conf", folder / "state"
            )
            self._wait_until(lambda: self._nmcli("general", check=False).returncode == 0)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def import_configuration(self, name: str, text: str) -> configparser.ConfigParser:
        """Imports a wg-quick configuration; returns the profile that NetworkManager made of it (nm-settings-keyfile).

        Args:
            name: name of the file, and hence of the connection and its link.
            text: text of the configuration.

        Raises:
            Refuted: NetworkManager refuses the configuration.
        """
        file = self._folder / f"{name}.conf"
        self._host.write(file, text.encode(), mode=0o600)
        try:
            self._nmcli("connection", "import", "--temporary", "type", "wireguard", "file", str(file))
        except CommandFailed as error:
            raise Refuted(f"NetworkManager does not take the configuration: {error}") from error
        found = configparser.ConfigParser(interpolation=None)
        found.optionxform = str  # type: ignore[assignment,method-assign]
        found.read_string(self._host.read(_PROFILES / f"{name}.nmconnection").decode())
        return found

    def bring_up(self, name: str) -> None:
        """Brings up a connection that was imported.

        Raises:
            Refuted: NetworkManager fails to.
        """
        try:
            self._nmcli("--wait", "10", "connection", "up", name)
        except CommandFailed as error:
            raise Refuted(f"NetworkManager does not bring the connection up: {error}") from error

    def _start(self, *command: str | PurePath) -> None:
        self._stack.callback(self._host.start(*command, env=self._bus).stop)

    def _nmcli(self, *arguments: str, check: bool = True) -> Completed:
        return self._host.run("nmcli", *arguments, env=self._bus, check=check, timeout=20.0)

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        if not wait_until(condition, _READY_S, _PAUSE_S):
            raise Inconclusive("NetworkManager does not start")
