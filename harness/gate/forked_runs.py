"""Runs forked from one process that has imported all modules: of the scenarios, and against a sabotaged service.

Separate programs would spend half of their processor time on imports, those of sabotages at least.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

from harness.gate import runs
from harness.gate.runs import RunOptions, RunResult, Shared
from harness.paths import ROOT
from harness.sabotage.entry import Sabotage
from netlab import sandbox

_CONTEXT = multiprocessing.get_context("forkserver")
# The last of them freezes what is loaded by then.
_CONTEXT.set_forkserver_preload([__name__, "netlab.launch", "harness.sabotage.loaded"])


def run(options: RunOptions, sabotage: Sabotage, *more: str) -> RunResult:
    """Runs the scenario that has to notice a sabotage.

    Args:
        options: options of the run.
        sabotage: sabotage of the service.
        more: further arguments for pytest.
    """
    return run_scenarios(options, sabotage.id, [sabotage.scenario], *more)


def run_scenarios(options: RunOptions, sabotage: str | None, scenarios: Sequence[str], *more: str) -> RunResult:
    """Runs scenarios against a service, until one of them refutes a sabotage.

    Args:
        options: options of the run.
        sabotage: id of the sabotage of the service; None for the product itself.
        scenarios: names of the scenarios.
        more: further arguments for pytest.
    """
    broken = [] if sabotage is None else [f"--sabotage={sabotage}"]
    return _run(options, [*broken, *(f"--scenario={each}" for each in scenarios), *more])


def run_product(options: RunOptions, shared: Shared, *more: str) -> RunResult:
    """Runs scenarios against the product's service, which is a program; see `runs.run`.

    Args:
        options: options of the run.
        shared: descriptors that it shares with others.
        more: further arguments for pytest.
    """
    return _run(options, more, shared)


def _run(options: RunOptions, arguments: Sequence[str], shared: Shared | None = None) -> RunResult:
    ours, theirs = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_forked, args=(options, arguments, shared, theirs))
    process.start()
    theirs.close()
    try:
        if ours.poll(options.deadline_s):
            finished: RunResult = ours.recv()
            return finished
        return RunResult((), f"it was ended after {options.deadline_s:.0f} s")
    except EOFError:
        return RunResult((), "it was killed")
    finally:
        process.kill()
        process.join()
        ours.close()


def _forked(options: RunOptions, arguments: Sequence[str], shared: Shared | None, gate: Connection) -> None:
    try:
        named = [] if shared is None else shared.arguments
        gate.send(_in_a_sandbox(options, [*named, *arguments]))
    except Exception as error:  # noqa: BLE001 - the gate prints it
        gate.send(RunResult((), f"it could not be made: {type(error).__name__}\n{traceback.format_exc()}"))


def _in_a_sandbox(options: RunOptions, arguments: Sequence[str]) -> RunResult:
    environment = runs.environment()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    with tempfile.TemporaryFile() as results, tempfile.TemporaryFile() as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
        command = [*runs.pytest_arguments(options, Path(f"/dev/fd/{results.fileno()}")), *arguments]
        status = sandbox.call(lambda: _pytest(command), die_with_parent=True)
        output.seek(0)
        return runs.result_of(status, output.read().decode(errors="replace"), results)


def _pytest(arguments: list[str]) -> NoReturn:
    from harness.sabotage import loaded  # by the forking process; the gate's own needs nothing of it

    sys.exit(loaded.PYTEST.run(arguments))
