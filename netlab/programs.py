"""Starter of this machine's programs inside namespaces, as children of the calling process."""

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
from netlab.process import HANGS_S, Completed, LocalProcess

FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Debian's folders of programs, added to PATH: an ordinary user's lacks those of the administrator."""


@dataclass(frozen=True)
class Programs:
    """Starter of programs in a set of namespaces.

    Attributes:
        host: name of the host, for errors.
        namespaces: the namespaces.
        only_network: enter their network only, with this machine's files and processes in view.
    """

    host: str
    namespaces: Namespaces
    only_network: bool = False

    def run(
        self,
        argv: tuple[str, ...],
        *,
        input: str | None = None,
        timeout: float = HANGS_S,
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
        """Starts a program and leaves it running; see `Host.start`.

        Args:
            argv: the program and its arguments.
            log: file that its output is appended to.
            env: variables to add to the caller's.
            cwd: its working directory; None is the caller's.
            instead: function to run in the process in place of a program; see `NamespaceHost.fork`.
        """
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
