"""Runs of pytest against a mutant, forked from one process that has imported all libraries.

The mutant's file is mounted over the product's, in the sandbox of the run alone. So every process of the run has it, a
service that a scenario starts included; no file is changed, and nothing is left once the run has ended.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import tempfile
import traceback
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from harness.gate import runs
from harness.mutation.outcome import Failure, Outcome
from harness.paths import ROOT
from netlab import kernel, sandbox

_CONTEXT = multiprocessing.get_context("forkserver")
# Folders of the sandbox's own.
_MUTANT, _EXAMPLES = Path("/run/mutant.py"), "/run/hypothesis"
_NOT_COLLECTED, _NO_TESTS = 4, 5


@dataclass(frozen=True)
class Run:
    """A run to be made.

    Attributes:
        tests: files or node ids, in the order in which they run, until one fails.
        options: further arguments of pytest.
        path: file of the mutant, relative to the repository; None for the product itself.
        source: text of that file.
        recorded: files whose lines are recorded.
    """

    tests: Sequence[str]
    options: Sequence[str] = ()
    path: str | None = None
    source: str = ""
    recorded: Sequence[str] = ()


def run(wanted: Run, deadline_s: float) -> Outcome:
    """Makes a run.

    Args:
        deadline_s: longest time in seconds; a run that takes longer is ended, and says nothing.
    """
    return _starters().submit(_run, wanted, deadline_s).result()


@cache
def _starters() -> ProcessPoolExecutor:
    """Returns processes that start runs.

    Each is a new program, because a process has one server to fork from. That of this process may be the one of the
    sabotaged runs, which has imported the product.
    """
    return ProcessPoolExecutor(os.cpu_count() or 1, multiprocessing.get_context("spawn"))


def _run(wanted: Run, deadline_s: float) -> Outcome:
    _CONTEXT.set_forkserver_preload(["harness.mutation.loaded"])
    ours, theirs = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_forked, args=(wanted, theirs))
    process.start()
    theirs.close()
    try:
        if ours.poll(deadline_s):
            found: Outcome = msgspec.json.decode(ours.recv_bytes(), type=Outcome)
            return found
        return Outcome(trouble=f"It was ended after {deadline_s:.0f} s.", seconds=deadline_s)
    except EOFError:
        return Outcome(trouble="It was killed.")
    finally:
        process.kill()
        process.join()
        ours.close()


def _forked(wanted: Run, starter: Connection) -> None:
    try:
        outcome = _in_a_sandbox(wanted)
    except Exception:  # noqa: BLE001 - the starter tells of it
        outcome = Outcome(trouble=traceback.format_exc())
    starter.send_bytes(msgspec.json.encode(outcome))


def _in_a_sandbox(wanted: Run) -> Outcome:
    environment = runs.environment()
    os.environ.clear()
    # What Python would keep of the mutant must not be found by runs of the product itself.
    os.environ.update(environment, PYTHONDONTWRITEBYTECODE="1", HYPOTHESIS_STORAGE_DIRECTORY=_EXAMPLES)
    sys.dont_write_bytecode = True
    os.chdir(ROOT)
    with tempfile.TemporaryFile() as results, tempfile.TemporaryFile() as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
        status = sandbox.call(lambda: os.write(results.fileno(), _tested(wanted)), die_with_parent=True)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        results.seek(0)
        output.seek(0)
        written = results.read()
        if status != 0 or not written:
            return Outcome(trouble=output.read().decode(errors="replace")[-2000:] or f"exit status {status}")
        outcome = msgspec.json.decode(written, type=Outcome)
        return msgspec.structs.replace(outcome, seconds=round(used.ru_utime + used.ru_stime, 2))


def _tested(wanted: Run) -> bytes:
    # Preloaded in the forking process, and not needed in the command's own.
    import pytest

    from harness.mutation.recording import Recorder

    if wanted.path is not None:
        if any(getattr(module, "__file__", None) == str(ROOT / wanted.path) for module in sys.modules.values()):
            return msgspec.json.encode(Outcome(trouble=f"{wanted.path} was imported before its mutant was there"))
        _put(wanted.source, ROOT / wanted.path)
    recorder = Recorder(wanted.recorded)
    arguments = ["--exitfirst", "--quiet", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "pytest_timeout"]
    status = pytest.main([*wanted.tests, *arguments, *wanted.options], plugins=[recorder])
    failure = recorder.failure
    if failure is None and status == _NOT_COLLECTED and wanted.path is not None:
        # The same tests are found for the product itself.
        failure = Failure(wanted.tests[0], "UsageError", "the tests can't be imported with it")
    trouble = "" if failure is not None or status == 0 else f"pytest ended with {int(status)}"
    if status == _NO_TESTS:
        trouble = "there are no such tests"
    return msgspec.json.encode(Outcome(recorder.passed, failure, trouble, costs=recorder.costs, lines=recorder.lines()))


def _put(source: str, path: Path) -> None:
    """Mounts a text over a file, for the processes of this sandbox."""
    _MUTANT.write_text(source)
    _MUTANT.chmod(0o644)
    # Python tells by time and size whether it has compiled a file already.
    stamp = zlib.crc32(source.encode())
    os.utime(_MUTANT, (stamp, stamp))
    kernel.mount(str(_MUTANT), str(path), None, kernel.MS_BIND)
