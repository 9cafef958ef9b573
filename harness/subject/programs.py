"""Programs of a service on a host of the lab: forks of this program where that is possible, and programs otherwise."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import partial

from harness.judging.verdicts import Inconclusive
from harness.subject.options import Build, ServiceOptions
from netlab import LabHost, NamespaceHost, Process

PROGRAM = "appliance"
_DEADLINE = 300.0
"""Seconds after which an operator's command hangs; an emulated processor takes minutes."""


class Programs:
    """Programs of one service on its host.

    Args:
        host: host to run on.
        options: options of the service's start.
    """

    def __init__(self, host: LabHost, options: ServiceOptions) -> None:
        self._host = host
        self._options = options
        self._commands = itertools.count(1)

    def build(self, *, is_forked: bool) -> Build | None:
        """Returns what runs the service, sabotaged if the options say so; None for the program as it is.

        Args:
            is_forked: fork it from this program, where that is possible.
        """
        return self._options.broken or (self._options.product if is_forked else None)

    def older(self, release: str) -> Build:
        """Returns what runs another release of the service.

        Raises:
            Inconclusive: there is no other release.
        """
        if self._options.release is None:
            raise Inconclusive("the run knows no older release of the service")
        return self._options.release(release)

    def start(self, log: str, arguments: Sequence[str], environment: Mapping[str, str], build: Build | None) -> Process:
        """Starts the service.

        Args:
            log: name of the log of its output.
            build: what runs it; None for the program as it is.
        """
        if build is not None and (host := self._forking()) is not None:
            return host.fork(partial(build.body, arguments), "up", log=log, env=environment)
        program = (PROGRAM,) if build is None else build.program
        return self._host.start(sys.executable, "-m", *program, *arguments, env=environment, log=log)

    def operate(self, arguments: Sequence[str], environment: Mapping[str, str], failure: str) -> str:
        """Runs an operator's command, and returns its output.

        Args:
            failure: first words of the error.

        Raises:
            Inconclusive: the command fails.
        """
        if (build := self.build(is_forked=True)) is not None and (host := self._forking()) is not None:
            log = f"operator-{next(self._commands)}"
            process = host.fork(partial(build.operator, arguments), "operator", log=log, env=environment)
            if process.wait(_DEADLINE) != 0:
                raise Inconclusive(f"{failure}: {process.log_text()[-2000:]}")
            return process.log_text()
        command = (sys.executable, "-m", PROGRAM, *arguments)
        done = self._host.run(*command, env=environment, timeout=_DEADLINE, check=False)
        if done.returncode != 0:
            raise Inconclusive(f"{failure}: {done.stderr[-2000:]}")
        return done.stdout

    def _forking(self) -> NamespaceHost | None:
        """Returns the host on which processes of the service are forked; None where they have to be programs.

        A thread of this program could hold a lock that a fork needs.
        """
        host = self._host
        return host if threading.active_count() == 1 and isinstance(host, NamespaceHost) else None
