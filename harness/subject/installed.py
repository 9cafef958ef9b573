"""Access as root to the host of a service, in a lab or over SSH: processes, files, the operator's commands."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from pathlib import PurePath, PurePosixPath
from typing import Any, Protocol

import httpx
import msgspec

from harness.client.api import Api
from harness.judging.verdicts import Inconclusive
from harness.subject.live import Live
from harness.subject.operated import Operated
from harness.subject.programs import PROGRAM
from netlab import Host, HostUnavailable, wait_until
from netlab.ssh import SshHost

_DEADLINE = 120.0
_PAUSE_S = 0.1


class Installed(Protocol):
    """A service whose host scenarios may look at and change as root."""

    @property
    def host(self) -> Host:
        """Host of the service; programs run there as root."""

    @property
    def data(self) -> PurePath:
        """Data folder on that host."""

    def searched(self) -> Sequence[PurePath]:
        """Returns the folders on that host that can have data of the service."""

    def children(self, *commands: str) -> set[int]:
        """Returns the ids of the service's processes ``hub`` and ``web``, or of the named one."""

    def signal(self, pids: Collection[int], number: int) -> None:
        """Sends a signal to processes; skips those that have ended."""

    def is_ready(self) -> bool:
        """Returns True if the service answers that it enforces every organization."""

    def census(self) -> dict[str, Any]:
        """Returns the census that the operator's command prints, by organization id."""

    def log_text(self) -> str:
        """Returns the service's log so far."""

    def stop(self) -> object:
        """Stops the service as an operator would."""

    def start(self) -> float:
        """Starts the service and waits until it is up.

        Returns:
            The seconds that this took.
        """


class OverSsh(Operated):
    """`Installed` through a shell on the host of a service that somebody else runs, until `close`.

    Raises (each method):
        Inconclusive: the host refuses, or lacks what the method needs.
    """

    def __init__(self, live: Live) -> None:
        assert live.ssh is not None
        shell = live.ssh
        self._api = Api(live.url, live.certificate)
        self._control = shell.control
        try:
            self.host = SshHost("hub", shell.login, sock=live.outward.connect(*shell.connection))
        except (HostUnavailable, OSError) as error:
            raise Inconclusive(f"there is no way to the service's host: {error}") from error
        try:
            self._settings = self._environment()
            self.data = PurePosixPath(self._data_folder())
            self._python, self._folder = self._program()
        except BaseException:
            self.host.close()
            raise

    def close(self) -> None:
        """Closes the connection; programs that it started end."""
        self.host.close()

    def searched(self) -> Sequence[PurePath]:
        """Returns the folders that can have data of the service; a database elsewhere is not read."""
        return [self.data, PurePosixPath("/run")]

    def children(self, *commands: str) -> set[int]:
        """Returns the ids of processes; see `Installed.children`."""
        listed = (line.split() for line in self.host.run("sh", "-c", _PROCESSES).stdout.splitlines())
        return {int(pid) for pid, command in listed if command in (commands or ("hub", "web"))}

    def signal(self, pids: Collection[int], number: int) -> None:
        """Sends a signal; see `Installed.signal`."""
        if pids:
            self.host.run("kill", f"-{int(number)}", *map(str, pids), check=False)

    def is_ready(self) -> bool:
        """Asks the service whether it is ready; see `Installed.is_ready`."""
        try:
            return self._api.send("GET", "/readyz").status == httpx.codes.OK
        except httpx.TransportError:
            return False

    def operate(self, *words: str, failure: str) -> str:
        """Runs an operator's command as the service does its own; see `Operated.operate`."""
        command = ("sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", self._folder, self._python, "-m", PROGRAM, *words)
        done = self.host.run(*command, env=self._settings, timeout=_DEADLINE, check=False)
        if done.returncode != 0:
            raise Inconclusive(f"{failure}: {done.stderr[-2000:]}")
        return done.stdout

    def log_text(self) -> str:
        """Returns the content of the file that standard error of the service goes to."""
        done = self.host.run("sh", "-c", _LOG, "sh", str(self._hub_pid()), check=False)
        if done.returncode != 0:
            raise Inconclusive("the service does not log to a file on its host")
        return done.stdout

    def stop(self) -> None:
        """Stops the service by the control command, and waits until its processes are gone."""
        self._control_service("stop")
        if not wait_until(lambda: not self.children(), _DEADLINE, _PAUSE_S):
            raise Inconclusive(f"the service still runs {_DEADLINE:.0f} s after it was stopped")

    def start(self) -> float:
        """Starts the service by the control command; see `Installed.start`."""
        start = time.monotonic()
        self._control_service("start")
        if not wait_until(self.is_ready, _DEADLINE, _PAUSE_S):
            raise Inconclusive(f"the service is not up {_DEADLINE:.0f} s after it was started")
        return time.monotonic() - start

    def _control_service(self, verb: str) -> None:
        command = self._control.replace("{}", verb)
        done = self.host.run("sh", "-c", command, timeout=_DEADLINE, check=False)
        if done.returncode != 0:
            raise Inconclusive(f"the service can't be asked to {verb}: {command}: {done.stderr.strip()}")

    def _hub_pid(self) -> int:
        found = self.children("hub")
        if not found:
            raise Inconclusive("no service runs on the host that --ssh leads to")
        return min(found)

    def _environment(self) -> dict[str, str]:
        """Returns the settings in the environment of the hub process.

        Raises:
            Inconclusive: there is no service, or there are several, and scenarios would damage all of them.
        """
        files = [f"/proc/{pid}/environ" for pid in self.children("hub")]
        if not files:
            raise Inconclusive("no service runs on the host that --ssh leads to")
        texts = self.host.run("sh", "-c", _SETTINGS, "sh", *files).stdout.split("\n\n")
        found = {text.strip() for text in texts if text.strip()}
        if len(found) != 1:
            raise Inconclusive(f"one service is expected on the host that --ssh leads to, and there are {len(found)}")
        return dict(line.split("=", 1) for line in found.pop().splitlines())

    def _data_folder(self) -> str:
        if "MESHWG_DATA" in self._settings:
            return self._settings["MESHWG_DATA"]
        file = self._settings.get("MESHWG_CONFIG")
        configured = msgspec.toml.decode(self.host.read(PurePosixPath(file))) if file else {}
        return str(configured.get("data", "/var/lib/meshwg"))

    def _program(self) -> tuple[str, str]:
        """Returns the Python interpreter and the working folder of the hub process."""
        script = 'tr "\\0" "\\n" <"/proc/$1/cmdline" | head -n 1; readlink "/proc/$1/cwd"'
        python, folder = self.host.run("sh", "-ec", script, "sh", str(self._hub_pid())).stdout.splitlines()
        return python, folder


# Prints id and command of each process PYTHON -m appliance COMMAND, and of its forks, which have the same words.
_PROCESSES = r"""
for folder in /proc/[0-9]*; do
    words=$(tr '\0' ' ' <"$folder/cmdline") || continue
    case $words in *" -m appliance hub " | *" -m appliance web ") echo "${folder#/proc/} ${words##*appliance }" ;; esac
done 2>/dev/null
true
"""
# Forks may end meanwhile. Other variables of the service may differ between its processes.
_SETTINGS = r"""
for file in "$@"; do
    tr '\0' '\n' <"$file" 2>/dev/null |
        grep -E '^(MESHWG_(CONFIG|DATA|DATABASE_URL|LISTEN|PUBLIC_URL|UDP_PORT)|PYTHONPATH)=' | sort
    echo
done
"""
_LOG = """[ -f "$(readlink -f "/proc/$1/fd/2")" ] && cat "/proc/$1/fd/2" """
