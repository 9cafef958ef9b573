"""The product's service on a host of the lab, started by the operator's command line."""

from __future__ import annotations

import itertools
import os
import re
import secrets
import signal
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

import httpx
from sqlalchemy import Connection, NullPool, create_engine

from harness.client.api import Api
from harness.judging.verdicts import Inconclusive
from harness.subject.operated import Operated
from harness.subject.options import Build, ServiceOptions
from harness.subject.postgresql import PostgreSql
from harness.subject.programs import PROGRAM, Programs
from harness.subject.turnedclock import TURNED, VARIABLE, TurnedClock
from netlab import LabHost, Process, kill
from netlab.errors import NothingArrived

PORT = 8443
_OTHER_PORT = 8444
_SECRET = "MESHWG_UNLOCK_SECRET"  # noqa: S105 - the name of a variable
_DATABASE_URL = "MESHWG_DATABASE_URL"
_COMMANDS = ("hub", "web")
_READY = "MeshWG is up"
# For a service that hangs: one that ends is noticed at once, and an emulated processor takes minutes.
_START_DEADLINE = _STOP_GRACE = 300.0


class Service(Operated):
    """The service, running for as long as ``with`` lasts.

    Args:
        host: host to run on.
        options: options of its start.

    Attributes:
        data: data folder.
        unlock_secret: secret in the environment that unlocks the service's keys.
        clock: turns its clocks within `turned`.
        before_stop: called before it is told to stop.
        bad_ends: a sentence for each end with another exit status than 0, and for each end that nobody asked for.
    """

    def __init__(self, host: LabHost, options: ServiceOptions) -> None:
        self.host = host
        self.options = options
        self.data = host.folder / "data"
        self.unlock_secret = secrets.token_urlsafe(24)
        self._clock_file = host.folder / "clock"
        self.clock = TurnedClock(self._clock_file)
        self._programs = Programs(host, options)
        self._postgresql: PostgreSql | None = None
        self._starts = itertools.count(1)
        self._tries = itertools.count(1)
        self._process: Process | None = None
        self._starts_so_far: list[Process] = []
        self._was_up = False
        self.before_stop: Callable[[], None] = lambda: None
        self.bad_ends: list[str] = []

    @property
    def url(self) -> str:
        """URL of its pages and API."""
        return f"https://{self.options.address}:{PORT}"

    @property
    def certificate(self) -> Path:
        """File with the certificate to trust."""
        return self.data / "tls" / "certificate.pem"

    @property
    def postgresql(self) -> PostgreSql | None:
        """The server that it stores in; None with SQLite."""
        return self._postgresql

    @property
    def database_url(self) -> str:
        """URL of its store."""
        if self._postgresql is not None:
            return self._postgresql.url
        return f"sqlite:///{self.data}/store/meshwg.sqlite"

    @contextmanager
    def stored(self) -> Iterator[Connection]:
        """Opens its store for a transaction, which ``with`` commits.

        No connection is left. It would keep the files of a store that is deleted. A fork of this program, such as an
        operator's command, would inherit what SQLite knows of it, but not its files: each lock there would fail, which
        SQLite calls "locking protocol" after ten seconds.
        """
        with create_engine(self.database_url, poolclass=NullPool).begin() as connection:
            yield connection

    def searched(self) -> Sequence[Path]:
        """Returns the folders that can have its data, with a dump of the database if there is a server for it.

        PostgreSQL's own files are left out: dead rows go from them when it is told to remove them, see
        docs/decisions/0014-deletion.md.
        """
        folders = [self.data, Path("/run")]
        if self._postgresql is not None:
            dump = self.host.folder / "dump"
            dump.mkdir(exist_ok=True)
            (dump / "store.sql").write_text(self._postgresql.dump())
            folders.append(dump)
        return folders

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(
        self, deadline_s: float = _START_DEADLINE, release: str | None = None, *, is_forked: bool = False
    ) -> float:
        """Starts the service, and waits until its log says that it is up.

        Args:
            deadline_s: longest wait in seconds.
            release: release to start, by its name in `harness.sabotage.catalogue`; None for the service as it is.
            is_forked: fork it from this program, which has its code, where that is possible. A program loads the code
                for longer than many a scenario takes; it is started for whatever looks at a start's own time.

        Returns:
            The seconds until it was up.

        Raises:
            Inconclusive: it did not come up, or there is no other release.
        """
        build = self._programs.build(is_forked=is_forked) if release is None else self._programs.older(release)
        if self.options.has_postgresql and self._postgresql is None:
            self._postgresql = PostgreSql(self.host)
        # Each start has its own log, so that the wait does not find the words of the start before.
        number = next(self._starts)
        self._was_up = False
        self._process = self._begin(f"service-{number}", build)
        self._starts_so_far.append(self._process)
        try:
            took_s = self._process.wait_for_log(_READY, deadline_s)
        except NothingArrived as error:
            raise Inconclusive(f"the service did not start: {self._process.log_text()[-2000:]}") from error
        self._was_up = True
        return took_s

    @contextmanager
    def turned(self) -> Iterator[TurnedClock]:
        """Starts the service again with clocks that can be turned within the context, and without them afterwards.

        The host's clocks stay as they are, and so do the kernel's, such as those of the front door's sessions.
        """
        self.stop()
        self.start(release=TURNED)
        try:
            yield self.clock
        finally:
            self.stop()
            self.clock.turn_back()
            self.start()

    def ensure_running(self) -> None:
        """Starts the service if a failed scenario left it stopped.

        Raises:
            Inconclusive: it did not come up.
        """
        self._note_own_end()
        if self._process is None or self._process.poll() is not None:
            self.start()

    def _note_own_end(self) -> None:
        """Notes that the service has ended by itself; one that never came up was reported when it was started."""
        if self._process is not None and self._was_up and (status := self._process.poll()) is not None:
            self._was_up = False
            self.bad_ends.append(f"exit status {status} by itself")

    def _begin(self, log: str, build: Build | None) -> Process:
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
        return self._launch(log, arguments, self.unlock_secret, build)

    def try_start(self, data: Path, secret: str | None, *, is_forked: bool = False) -> tuple[int, str]:
        """Starts the same program on another data folder, where it must fail, and waits for its end.

        Args:
            secret: unlock secret to give it, if any.
            is_forked: fork it, where that is possible; see `start`.

        Returns:
            The exit code, and everything that it printed.
        """
        listen = f"--listen={self.options.address}:{_OTHER_PORT}"
        arguments = ["up", f"--data={data}", listen, f"--wireguard={self.options.wireguard}"]
        build = self._programs.build(is_forked=is_forked)
        process = self._launch(f"try-{next(self._tries)}", arguments, secret, build)
        return process.wait(_START_DEADLINE), process.log_text().strip()

    def _launch(self, log: str, arguments: Sequence[str], secret: str | None, build: Build | None) -> Process:
        environment = {
            **({_SECRET: secret} if secret else {}),
            VARIABLE: str(self._clock_file),
            **self._store_setting(),
        }
        return self._programs.start(log, arguments, environment, build)

    def _store_setting(self) -> dict[str, str]:
        return {} if self._postgresql is None else {_DATABASE_URL: self._postgresql.url}

    def stop(self, grace_s: float = _STOP_GRACE) -> int:
        """Stops the service by SIGTERM, after ``grace_s`` seconds by SIGKILL.

        Returns:
            The exit code; 0 if it did not run.
        """
        if self._process is None:
            return 0
        self._note_own_end()
        has_ended = self._process.poll() is not None
        if not has_ended:
            self.before_stop()
        process, self._process = self._process, None
        status = process.stop(grace_s)
        if status and not has_ended:
            self.bad_ends.append(f"exit status {status} after it was told to stop")
        return status

    def crash(self) -> None:
        """Kills all processes of the service at once (SIGKILL), so that nothing on the host is cleaned up.

        Raises:
            Inconclusive: a process survives.
        """
        if self._process is None:
            return
        process, self._process = self._process, None
        killed = self.children()
        process.signal(signal.SIGKILL)
        self._kill(killed | self.children())
        process.wait(_STOP_GRACE)

    def restart_children(self) -> None:
        """Asks the service to start both of its processes again (SIGHUP). Does not wait for that."""
        if self._process is not None:
            self._process.signal(signal.SIGHUP)

    def kill_children(self) -> None:
        """Kills hub and web at once (SIGKILL), and waits until they are gone.

        Raises:
            Inconclusive: a process survives.
        """
        self._kill(self.children())

    def _kill(self, pids: Collection[int]) -> None:
        try:
            kill(pids, _STOP_GRACE)
        except NothingArrived as error:
            raise Inconclusive("a process of the service outlived SIGKILL") from error

    def children(self, *commands: str) -> set[int]:
        """Returns the ids of the processes ``hub`` and ``web``, or of the named one, with their forks."""
        found = set()
        for pid in self.host.processes():
            with suppress(OSError):
                folder = Path(f"/proc/{pid}")
                words = (folder / "cmdline").read_bytes().rstrip(b"\0").decode(errors="replace").split("\0")
                is_program = words[1:3] == ["-m", PROGRAM]
                # Forks of the harness are named by their command.
                is_fork = self.options.broken is not None or not is_program
                name = (folder / "comm").read_text().strip() if is_fork else words[-1]
                if name in (commands or _COMMANDS):
                    found.add(pid)
        return found

    def signal(self, pids: Collection[int], number: int) -> None:
        """Sends a signal to processes; skips those that have ended."""
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def is_ready(self) -> bool:
        """Returns True if the service answers that it enforces every organization."""
        api = self.api()
        try:
            return api.send("GET", "/readyz").status == httpx.codes.OK
        except httpx.TransportError:
            return False
        finally:
            api.close()

    def api(self) -> Api:
        """Opens an API connection that is not signed in."""
        return Api(self.url, self.certificate)

    def operate(self, *words: str, failure: str) -> str:
        """Runs an operator's command on the service's data folder, with its unlock secret; see `Operated.operate`."""
        environment = {_SECRET: self.unlock_secret, **self._store_setting()}
        return self._programs.operate([*words, f"--data={self.data}"], environment, failure)

    def wireguard(self) -> str:
        """Returns name and version of the hub's WireGuard implementation, read from the service's metrics.

        Raises:
            Inconclusive: the metrics don't have them.
        """
        found = re.search(r'^meshwg_wireguard{implementation="(.*?)",version="(.*?)"}', self.metrics(), re.MULTILINE)
        if found is None:
            raise Inconclusive("the service's metrics don't name its WireGuard implementation")
        return f"{found[1]} {found[2]}"

    def metrics(self) -> str:
        """Returns the service's metrics in Prometheus' text format; "" if the service does not run."""
        if self._process is None:
            return ""
        api = self.api()
        try:
            return str(api.call("GET", "/metrics").body)
        finally:
            api.close()

    def log_text(self) -> str:
        """Returns the log since the last start; "" if the service does not run."""
        return "" if self._process is None else self._process.log_text()

    def whole_log(self) -> str:
        """Returns the logs of all starts so far, in their order."""
        return "".join(each.log_text() for each in self._starts_so_far)
