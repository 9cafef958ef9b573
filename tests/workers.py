"""Workers of a parallel run, forked from one process that has collected the tests: ``pytest -p tests.workers``.

pytest-xdist would start an interpreter for each worker, which imports and collects all tests to run its share of them.
Here one pytest collects, and then forks each worker. Each has a sandbox of its own, so that no test sees another's
ports, links or processes.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import execnet
import pytest
from xdist.remote import WorkerInteractor  # type: ignore[import-untyped]

from netlab import forked, sandbox

_STARTER = Path(__file__).with_name("worker_starter.py")
_forked_from: Collected | None = None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option of the process that forks."""
    does = "collect, write to the second descriptor, and fork a worker for each connection to the first, a socket"
    parser.addoption("--forks-workers", nargs=2, type=int, help=does)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Gets a process ready that forks; the other plugins take it for a worker."""
    if (descriptors := config.getoption("--forks-workers")) is not None:
        config.workerinput, config.workeroutput = {}, {}  # type: ignore[attr-defined]
        config.pluginmanager.register(Collected(config, *descriptors))


def pytest_xdist_setupnodes(config: pytest.Config, specs: Sequence[execnet.XSpec]) -> None:
    """Collects the tests in a process of its own, and has the workers forked from it.

    Raises:
        pytest.UsageError: they can't be collected.
    """
    stack = ExitStack()
    config.add_cleanup(stack.close)
    path = Path(stack.enter_context(tempfile.TemporaryDirectory()), "workers")
    ready, tells = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener, os.fdopen(ready, "rb") as told:
        listener.bind(str(path))
        listener.listen(len(specs))
        inherited = (listener.fileno(), tells)
        options = ["-n0", "--forks-workers", *map(str, inherited)]
        command = [sys.executable, "-m", "pytest", *map(str, config.invocation_params.args), *options]
        process = stack.enter_context(
            subprocess.Popen(
                sandbox.command(command, die_with_parent=True),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=inherited,
            )
        )
        stack.callback(process.terminate)
        os.close(tells)
        if not told.read(1):
            raise pytest.UsageError("the tests can't be collected; `pytest --collect-only` may tell why")
    for spec in specs:
        spec.python = shlex.join([sys.executable, "-S", str(_STARTER), str(path)])


def pytest_xdist_getremotemodule() -> str:
    """Returns what a worker does once its connection is there."""
    return f"import {__name__} as workers; workers.collected().work(channel)"


def collected() -> Collected:
    """Returns what this worker was forked from."""
    assert _forked_from is not None
    return _forked_from


class Collected:
    """Tests that are collected, and the pytest that has collected them.

    Args:
        listening: descriptor of the socket at which starters of workers connect.
        tells: descriptor of a pipe that tells that they may.
    """

    _session: pytest.Session

    def __init__(self, config: pytest.Config, listening: int, tells: int) -> None:
        self._config, self._listening, self._tells = config, listening, tells
        self._reports: list[pytest.CollectReport] = []
        self._warnings: list[dict[str, Any]] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keeps a report for the workers to send."""
        self._reports.append(report)

    def pytest_warning_recorded(self, warning_message: object, when: str, nodeid: str, location: object) -> None:
        """Keeps a warning for the workers to send."""
        self._warnings.append(
            {"warning_message": warning_message, "when": when, "nodeid": nodeid, "location": location}
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> NoReturn:
        """Forks a worker for each starter that connects; ends with this process.

        Raises:
            pytest.UsageError: this process has several threads.
        """
        if len([*Path("/proc/self/task").iterdir()]) > 1:
            raise pytest.UsageError("a module starts a thread when it is imported; a fork would lack it")
        self._session = session
        self._config.pluginmanager.unregister(self)
        self._config.pluginmanager.getplugin("capturemanager").stop_global_capturing()
        sys.stdout.flush()
        with socket.socket(fileno=self._listening) as listener:
            with os.fdopen(self._tells, "wb") as tells:
                tells.write(b"1")
            while True:
                starter, _ = listener.accept()
                with starter:
                    _, streams, _, _ = socket.recv_fds(starter, 1, 3)
                    if os.fork() == 0:
                        listener.close()
                        for number, stream in enumerate(streams):
                            os.dup2(stream, number)
                            os.close(stream)
                        forked.end_with(partial(sandbox.call, self._serve, die_with_parent=True))
                for stream in streams:
                    os.close(stream)

    def _serve(self) -> None:
        """Answers execnet in place of the interpreter that it means to start."""
        global _forked_from
        _forked_from = self
        with open(0, closefd=False) as stdin:
            line = stdin.readline()
        exec(eval(line), {"__name__": "__main__"})  # noqa: S102, S307 - it is what such an interpreter is told to do

    def work(self, channel: execnet.Channel) -> None:
        """Runs tests as pytest-xdist's controller says.

        Args:
            channel: the connection with it.
        """
        config, session = self._config, self._session
        given, _, options, _ = channel.receive()
        os.environ.update(
            PYTEST_XDIST_TESTRUNUID=given["testrunuid"],
            PYTEST_XDIST_WORKER=given["workerid"],
            PYTEST_XDIST_WORKER_COUNT=str(given["workercount"]),
        )
        config.workerinput.update(given)  # type: ignore[attr-defined]
        self._use_temporary_folder(Path(options["basetemp"]))
        # Anew, since all workers would write to the files of the process that they were forked from.
        config.pluginmanager.getplugin("capturemanager").start_global_capturing()
        interactor = WorkerInteractor(config, channel)
        interactor.pytest_sessionstart(session)
        interactor.pytest_collection()
        for warning in self._warnings:
            interactor.pytest_warning_recorded(**warning)
        for report in self._reports:
            interactor.pytest_collectreport(report)
        interactor.pytest_collection_finish(session)
        config.hook.pytest_runtestloop(session=session)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED if session.testsfailed else pytest.ExitCode.OK
        config.hook.pytest_sessionfinish(session=session, exitstatus=session.exitstatus)

    def _use_temporary_folder(self, chosen: Path) -> None:
        """Has the tests' temporary files in a folder, which this sandbox need not have yet."""
        chosen.parent.mkdir(parents=True, exist_ok=True)
        # Each pytest removes the folders of earlier ones that have no lock, also one that a test starts.
        (chosen.parent / ".lock").touch()
        self._config.option.basetemp = str(chosen)
        # Registered again, the plugin reads that option again.
        plugins = self._config.pluginmanager
        plugins.register(plugins.unregister(name="tmpdir"), "tmpdir")
