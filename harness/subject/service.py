"""The product as an operator starts it: the command line, in a host of the lab."""

from __future__ import annotations

import itertools
import json
import os
import re
import secrets
import signal
import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from harness.client.api import Api
from harness.judging.verdicts import Inconclusive
from netlab import LabHost, NamespaceHost, Process, wait_until
from netlab.errors import NothingArrived

PORT = 8443
_OTHER_PORT = 8444
_SECRET = "MESHWG_UNLOCK_SECRET"  # noqa: S105 - the name of a variable
_PROGRAM = "appliance"
_COMMANDS = ("hub", "web")
_READY = "MeshWG is up"
# One that ends is noticed at once; more than both of its processes are given.
_START_DEADLINE = 300.0
# It ends by itself, where the processor is emulated in minutes; this is for one that hangs.
_STOP_GRACE = 300.0


@dataclass(frozen=True)
class Broken:
    """A service with a known break in it.

    Attributes:
        program: words after ``python -m`` that start it.
        body: runs it with these arguments, in a process that is forked for it.
    """

    program: Sequence[str]
    body: Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class ServiceOptions:
    """How the service is started.

    Attributes:
        address: of the host, where it listens.
        endpoint: what configurations name, as ``--endpoint`` takes it; None: the address.
        trusted, proxies: ranges, as ``--trusted-source`` and ``--trusted-proxy`` take them.
        wireguard: the implementation, as ``--wireguard`` takes it.
        broken: what is started in its place to show that scenarios notice it, or None.
    """

    address: str
    trusted: Sequence[str] = ()
    proxies: Sequence[str] = ()
    wireguard: str = "auto"
    broken: Broken | None = None
    endpoint: str | None = None


class Service:
    """A running service; leaving ``with`` stops it as an operator would, with SIGTERM."""

    def __init__(self, host: LabHost, options: ServiceOptions) -> None:
        self.host = host
        self.options = options
        self.data = host.folder / "data"
        self.unlock_secret = secrets.token_urlsafe(24)
        self._starts = itertools.count(1)
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"https://{self.options.address}:{PORT}"

    @property
    def certificate(self) -> Path:
        """What its certificate is checked against."""
        return self.data / "tls" / "certificate.pem"

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, deadline_s: float = _START_DEADLINE) -> float:
        """Starts it and waits until it says that it is up; returns the seconds that took.

        Args:
            deadline_s: how long it may take.

        Raises:
            Inconclusive: it did not come up.
        """
        # A log of its own for each start: the words that are waited for must not be those of the one before.
        number = next(self._starts)
        self._process = self._begin(f"service-{number}", is_first=number == 1)
        try:
            return self._process.wait_for_log(_READY, deadline_s)
        except NothingArrived as error:
            raise Inconclusive(f"the service did not start: {self._process.log_text()[-2000:]}") from error

    def stand_up(self) -> None:
        """Starts it where it is down, as a scenario leaves it that stopped it and failed.

        Raises:
            Inconclusive: it did not come up.
        """
        if self._process is None or self._process.poll() is not None:
            self.start()

    def _begin(self, log: str, *, is_first: bool) -> Process:
        trusted = [word for source in self.options.trusted for word in ("--trusted-source", source)]
        arguments = [
            "up",
            f"--data={self.data}",
            f"--listen={self.options.address}:{PORT}",
            f"--endpoint={self.options.endpoint or self.options.address}",
            f"--wireguard={self.options.wireguard}",
            *trusted,
            *(word for proxy in self.options.proxies for word in ("--trusted-proxy", proxy)),
        ]
        environment = {_SECRET: self.unlock_secret}
        broken = self.options.broken
        # Threads of the scenario run later, which no fork may meet.
        if broken is None or not is_first or not isinstance(self.host, NamespaceHost):
            return self.host.start(sys.executable, "-m", *self._program, *arguments, env=environment, log=log)
        return self.host.fork(partial(broken.body, arguments), "up", log=log, env=environment)

    def another_start(self, data: Path, secret: str | None) -> tuple[int, str]:
        """A start of the same program on another data folder, for one that must not come up; its exit code and words.

        Args:
            secret: the unlock secret that it is given, if any.
        """
        done = self.host.run(
            *(sys.executable, "-m", *self._program, "up", f"--data={data}"),
            *(f"--listen={self.options.address}:{_OTHER_PORT}", f"--wireguard={self.options.wireguard}"),
            env={_SECRET: secret} if secret else {},
            timeout=_START_DEADLINE,
            check=False,
        )
        return done.returncode, done.stderr.strip()

    @property
    def _program(self) -> Sequence[str]:
        return self.options.broken.program if self.options.broken is not None else (_PROGRAM,)

    def stop(self, grace_s: float = _STOP_GRACE) -> int:
        """Stops it; returns its exit code. After ``grace_s`` seconds it is killed."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        return process.stop(grace_s)

    def crash(self) -> None:
        """Kills all of it at once (SIGKILL); what it made on the host is left as it is.

        Raises:
            Inconclusive: a process of it lives on.
        """
        if self._process is None:
            return
        process, self._process = self._process, None
        process.signal(signal.SIGKILL)
        self.kill_children()
        process.wait(_STOP_GRACE)

    def renew(self) -> None:
        """Asks it to start both of its processes again (SIGHUP); does not wait for that."""
        if self._process is not None:
            self._process.signal(signal.SIGHUP)

    def kill_children(self) -> None:
        """Kills hub and web at once (SIGKILL), and waits until they are gone.

        Raises:
            Inconclusive: one of them lives on.
        """
        killed = self.children()
        self.signal(killed, signal.SIGKILL)
        if not wait_until(lambda: not killed & self.children(), _STOP_GRACE):
            raise Inconclusive("a process of the service outlived SIGKILL")

    def children(self, *commands: str) -> set[int]:
        """Ids of the processes that it supervises, ``hub`` and ``web`` or one of them, with those that these forked."""
        found = set()
        for pid in self.host.processes():
            with suppress(OSError):
                folder = Path(f"/proc/{pid}")
                words = (folder / "cmdline").read_bytes().rstrip(b"\0").decode(errors="replace").split("\0")
                is_program = words[1:3] == ["-m", _PROGRAM]
                # Those of a broken service are forks, and have their command for a name.
                is_fork = self.options.broken is not None or not is_program
                name = (folder / "comm").read_text().strip() if is_fork else words[-1]
                if name in (commands or _COMMANDS):
                    found.add(pid)
        return found

    def signal(self, pids: Collection[int], number: int) -> None:
        """Sends a signal to processes; those that are gone are passed over."""
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def is_ready(self) -> bool:
        """Whether it answers, and says that every organization is enforced."""
        api = self.api()
        try:
            return api.send("GET", "/readyz").status == httpx.codes.OK
        except httpx.TransportError:
            return False
        finally:
            api.close()

    def api(self) -> Api:
        """A customer's connection to it."""
        return Api(self.url, self.certificate)

    def census(self) -> dict[str, Any]:
        """Census of the service by organization, as the operator's command prints it.

        Raises:
            Inconclusive: the command fails.
        """
        listed = json.loads(self._operator("census", "--json", failure="there is no census"))
        return {each["id"]: each for each in listed["organizations"]}

    def reset_link(self, email: str) -> str:
        """Token of a link to another password, as the operator's command makes one.

        Raises:
            Inconclusive: the command fails.
        """
        link = self._operator("admin", "reset-link", email, failure="there is no link to another password")
        return link.strip().partition("token=")[2]

    def _operator(self, *words: str, failure: str) -> str:
        """Run a command of the operator's on the service's data, and return its output."""
        done = self.host.run(
            *(sys.executable, "-m", "appliance", *words, f"--data={self.data}"), timeout=_START_DEADLINE, check=False
        )
        if done.returncode != 0:
            raise Inconclusive(f"{failure}: {done.stderr[-2000:]}")
        return done.stdout

    def wireguard(self) -> str:
        """The implementation that its hub uses, with the version, as its metrics tell.

        Raises:
            Inconclusive: they don't.
        """
        metrics = self.api().call("GET", "/metrics").body
        found = re.search(r'^meshwg_wireguard{implementation="(.*?)",version="(.*?)"}', str(metrics), re.MULTILINE)
        if found is None:
            raise Inconclusive("the service does not tell which WireGuard it uses")
        return f"{found[1]} {found[2]}"

    def log_text(self) -> str:
        """What it said so far."""
        return "" if self._process is None else self._process.log_text()
