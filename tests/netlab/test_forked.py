"""Forked processes that run a function in place of a program."""

from __future__ import annotations

import gc
import logging
import logging.config
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from netlab import forked


def _configure_logging() -> None:
    """Opens files, then configures logging, which closes earlier handlers; prints the number that stays open."""
    descriptors = [os.memfd_create("mine") for _ in range(64)]
    logging.config.dictConfig({"version": 1})
    print(sum(Path(f"/proc/self/fd/{each}").exists() for each in descriptors))


class _Cycle:
    """A file that only the garbage collector closes."""

    def __init__(self) -> None:
        self.itself, self.descriptor = self, os.memfd_create("theirs")

    def __del__(self) -> None:
        os.close(self.descriptor)


def _collect_garbage() -> None:
    """Opens files, then collects garbage; prints the number that stays open."""
    descriptors = [os.memfd_create("mine") for _ in range(64)]
    gc.collect()
    print(sum(Path(f"/proc/self/fd/{each}").exists() for each in descriptors))


# What Python thinks of signals is another matter: `Popen` changes them behind its back.
_PRINT_IGNORED = """
import pathlib
print(next(line for line in pathlib.Path("/proc/self/status").read_text().splitlines() if line.startswith("SigIgn")))
"""


@pytest.mark.parametrize("hangup", [signal.SIG_DFL, signal.SIG_IGN], ids=["by default", "under nohup"])
def test_signals_are_ignored_as_a_program_ignores_them(hangup: signal.Handlers) -> None:
    """A write to a closed connection ends neither."""
    before = signal.signal(signal.SIGHUP, hangup)
    try:
        _compare_ignored_signals()
    finally:
        signal.signal(signal.SIGHUP, before)


def _compare_ignored_signals() -> None:
    program = [sys.executable, "-c", _PRINT_IGNORED]
    wanted = subprocess.run(program, capture_output=True, text=True, check=True, timeout=30)
    fork = partial(forked.become, "fork", partial(exec, _PRINT_IGNORED), dict(os.environ))
    done = subprocess.run(["false"], preexec_fn=fork, capture_output=True, text=True, check=False, timeout=30)
    assert done.stdout == wanted.stdout, done.stderr
    assert int(done.stdout.split()[1], 16) & 1 << signal.SIGPIPE - 1


def test_the_parent_s_garbage_closes_no_file_of_the_fork() -> None:
    gc.disable()
    try:
        for _ in range(8):
            _Cycle()
        fork = partial(forked.become, "fork", _collect_garbage, dict(os.environ))
        done = subprocess.run(["false"], preexec_fn=fork, capture_output=True, text=True, check=False, timeout=30)
    finally:
        gc.enable()
        gc.collect()
    assert done.stdout == "64\n", done.stderr


def test_the_parent_s_logging_closes_no_file_of_the_fork(tmp_path: Path) -> None:
    handlers = [logging.FileHandler(tmp_path / f"log-{number}") for number in range(8)]
    try:
        fork = partial(forked.become, "fork", _configure_logging, dict(os.environ))
        # Never executed: the forked process goes on by itself before it would be.
        done = subprocess.run(["false"], preexec_fn=fork, capture_output=True, text=True, check=False, timeout=30)
    finally:
        for handler in handlers:
            handler.close()
    assert done.stdout == "64\n", done.stderr
