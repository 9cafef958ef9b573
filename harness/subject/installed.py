"""A service as who is root on its host has it: processes, files, the operator's commands. In a lab, or over SSH."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from pathlib import PurePath, PurePosixPath
from typing import Any, Protocol

import httpx
import msgspec

from harness.client.api import Api
from harness.judging.verdicts import Inconclusive
from harness.subject.live import Live
from netlab import Host, HostUnavailable, wait_until
from netlab.ssh import SshHost

_DEADLINE = 120.0
_PAUSE_S = 0.1


class Installed(Protocol):
    """What scenarios need of the host that a service runs on."""

    @property
    def host(self) -> Host:
        """The host; programs run there as root."""

    @property
    def data(self) -> PurePath:
        """Its data folder, there."""

    def children(self, *commands: str) -> set[int]:
        """Ids of its processes ``hub`` and ``web``, or of one of them."""

    def signal(self, pids: Collection[int], number: int) -> None:
        """Sends a signal to processes; those that are gone are passed over."""

    def is_ready(self) -> bool:
        """Whether it answers, and says that every organization is enforced."""

    def census(self) -> dict[str, Any]:
        """What the operator's command says that there is, by organization."""

    def log_text(self) -> str:
        """What it said so far."""

    def stop(self) -> object:
        """Stops it as an operator would."""

    def start(self) -> float:
        """Starts it again and waits until it is up; returns the seconds that took."""


class OverSsh:
    """A service that somebody else runs, with a shell on its host until `close`.

    Raises (each method):
        Inconclusive: the host does not show or do that.
    """

    def __init__(self, live: Live) -> None:
        assert live.ssh is not None
        way = live.ssh
        self._api = Api(live.url, live.certificate)
        self._control = way.control
        try:
            self.host = SshHost("hub", way.login, sock=live.outward.connect(*way.connection))
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
        """Closes the connection; what was started there ends with it."""
        self.host.close()

    def children(self, *commands: str) -> set[int]:
        """Ids of its processes; see `Installed.children`."""
        listed = (line.split() for line in self.host.run("sh", "-c", _PROCESSES).stdout.splitlines())
        return {int(pid) for pid, command in listed if command in (commands or ("hub", "web"))}

    def signal(self, pids: Collection[int], number: int) -> None:
        """Sends a signal; see `Installed.signal`."""
        if pids:
            self.host.run("kill", f"-{int(number)}", *map(str, pids), check=False)

    def is_ready(self) -> bool:
        """Whether it answers that it is; see `Installed.is_ready`."""
        try:
            return self._api.send("GET", "/readyz").status == httpx.codes.OK
        except httpx.TransportError:
            return False

    def census(self) -> dict[str, Any]:
        """What the operator's command says; see `Installed.census`."""
        command = 'cd "$1" && exec "$2" -m appliance census --json'
        words = (self._folder, self._python)
        done = self.host.run("sh", "-c", command, "sh", *words, env=self._settings, timeout=_DEADLINE, check=False)
        if done.returncode != 0:
            raise Inconclusive(f"there is no census: {done.stderr[-2000:]}")
        return {each["id"]: each for each in json.loads(done.stdout)["organizations"]}

    def log_text(self) -> str:
        """What the file has that its standard error goes to."""
        done = self.host.run("sh", "-c", _LOG, "sh", str(self._hub()), check=False)
        if done.returncode != 0:
            raise Inconclusive("the service's log is no file of its host")
        return done.stdout

    def stop(self) -> None:
        """Has the host's own command stop it."""
        self._ask_to("stop")
        if not wait_until(lambda: not self.children(), _DEADLINE, _PAUSE_S):
            raise Inconclusive(f"the service still runs {_DEADLINE:.0f} s after it was stopped")

    def start(self) -> float:
        """Has the host's own command start it."""
        start = time.monotonic()
        self._ask_to("start")
        if not wait_until(self.is_ready, _DEADLINE, _PAUSE_S):
            raise Inconclusive(f"the service is not up {_DEADLINE:.0f} s after it was started")
        return time.monotonic() - start

    def _ask_to(self, verb: str) -> None:
        command = self._control.replace("{}", verb)
        done = self.host.run("sh", "-c", command, timeout=_DEADLINE, check=False)
        if done.returncode != 0:
            raise Inconclusive(f"the service can't be asked to {verb}: {command}: {done.stderr.strip()}")

    def _hub(self) -> int:
        found = self.children("hub")
        if not found:
            raise Inconclusive("no service runs on the host that --ssh leads to")
        return min(found)

    def _environment(self) -> dict[str, str]:
        """The settings that its hub was started with.

        Raises:
            Inconclusive: there is more than one service, and what is done would be done to all.
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
        told = msgspec.toml.decode(self.host.read(PurePosixPath(file))) if file else {}
        return str(told.get("data", "/var/lib/meshwg"))

    def _program(self) -> tuple[str, str]:
        """The interpreter that runs it, and the folder that it runs in."""
        script = 'tr "\\0" "\\n" <"/proc/$1/cmdline" | head -n 1; readlink "/proc/$1/cwd"'
        python, folder = self.host.run("sh", "-ec", script, "sh", str(self._hub())).stdout.splitlines()
        return python, folder


# PYTHON -m appliance COMMAND, as the service starts its processes; what is forked off them has the same words.
_PROCESSES = r"""
for folder in /proc/[0-9]*; do
    words=$(tr '\0' ' ' <"$folder/cmdline") || continue
    case $words in *" -m appliance hub " | *" -m appliance web ") echo "${folder#/proc/} ${words##*appliance }" ;; esac
done 2>/dev/null
true
"""
# Forks may end meanwhile. What is handed from start to start is none of the settings.
_SETTINGS = r"""
for file in "$@"; do
    tr '\0' '\n' <"$file" 2>/dev/null |
        grep -E '^(MESHWG_(CONFIG|DATA|DATABASE_URL|LISTEN|PUBLIC_URL|UDP_PORT)|PYTHONPATH)=' | sort
    echo
done
"""
_LOG = """[ -f "$(readlink -f "/proc/$1/fd/2")" ] && cat "/proc/$1/fd/2" """
