"""Starts programs of this machine inside namespaces, as children of the calling process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from netlab import forked
from netlab.errors import CommandFailed, CommandTimedOut
from netlab.namespaces import Namespaces
from netlab.process import Completed, LocalProcess

#: Where Debian has programs, added to PATH: that of an ordinary user lacks the administrator's.
FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Programs:
    """The way to start programs in some namespaces.

    Attributes:
        host: whose they are, for errors.
        namespaces: where.
        only_network: enter their network only, and see this machine's files and processes.
    """

    host: str
    namespaces: Namespaces
    only_network: bool = False

    def run(
        self,
        argv: tuple[str, ...],
        *,
        input: str | None = None,
        timeout: float = 10.0,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        """Runs a program and waits for its end; see `Host.run`."""
        start = time.monotonic()
        popen = self._spawn(argv, env, cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = popen.communicate(None if input is None else input.encode(), timeout)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(popen.pid, signal.SIGKILL)
            out, err = popen.communicate()
            raise CommandTimedOut(self.host, argv, None, _text(out), _text(err)) from None
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(popen.pid, signal.SIGKILL)
            popen.wait()
            raise
        done = Completed(argv, popen.returncode, _text(out), _text(err), time.monotonic() - start)
        if check and done.returncode != 0:
            raise CommandFailed(self.host, argv, done.returncode, done.stdout, done.stderr)
        return done

    def start(
        self,
        argv: tuple[str, ...],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        instead: Callable[[], object] | None = None,
    ) -> LocalProcess:
        """Starts a program and leaves it running; see `Host.start` and `NamespaceHost.fork`."""
        with log.open("ab") as file:
            streams = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": subprocess.STDOUT}
            popen = self._spawn(argv, env, cwd, instead, **streams)
        return LocalProcess(argv, popen, log)

    def _spawn(
        self,
        argv: tuple[str, ...],
        env: Mapping[str, str] | None,
        cwd: Path | None,
        instead: Callable[[], object] | None = None,
        **streams: object,
    ) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **(env or {})}
        environment["PATH"] = f"{environment.get('PATH', '')}:{FOLDERS}".lstrip(":")
        folder = cwd or Path.cwd()
        body = instead and partial(forked.become, argv[0], instead, environment)
        try:
            return self.namespaces.enter(
                lambda: subprocess.Popen(  # type: ignore[call-overload]
                    argv, env=environment, cwd=folder, start_new_session=True, preexec_fn=body, **streams
                ),
                only_network=self.only_network,
            )
        except OSError as error:
            raise CommandFailed(self.host, argv, None, "", str(error)) from error


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
