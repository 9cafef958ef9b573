"""Runs against a broken service, forked from one process that has loaded what each of them needs.

As programs, they would spend half of their processor time on loading the same modules anew.
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
from harness.gate.runs import Finished, RunOptions
from harness.paths import ROOT
from harness.sabotage.catalogue import Sabotage
from netlab import sandbox

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["harness.sabotage.loaded"])


def run(options: RunOptions, sabotage: Sabotage, *more: str) -> Finished:
    """Runs the scenario that has to notice it, as `harness.gate.runs.run` does.

    Args:
        more: arguments for pytest.
    """
    arguments = [f"--sabotage={sabotage.id}", f"--scenario={sabotage.scenario}", *more]
    ours, theirs = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_forked, args=(options, arguments, theirs))
    process.start()
    theirs.close()
    try:
        if ours.poll(options.deadline_s):
            finished: Finished = ours.recv()
            return finished
        return Finished((), f"It was ended after {options.deadline_s:.0f} s.")
    except EOFError:
        return Finished((), "It was killed.")
    finally:
        process.kill()
        process.join()
        ours.close()


def _forked(options: RunOptions, arguments: Sequence[str], told: Connection) -> None:
    try:
        told.send(_in_a_sandbox(options, arguments))
    except Exception:  # noqa: BLE001 - the gate tells of it
        told.send(Finished((), traceback.format_exc()))


def _in_a_sandbox(options: RunOptions, arguments: Sequence[str]) -> Finished:
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
        return runs.finished(status, output.read().decode(errors="replace"), results)


def _pytest(arguments: list[str]) -> NoReturn:
    import pytest  # loaded already, but not in the gate's own process

    sys.exit(pytest.main(arguments))
