"""Forked processes that run a function in place of a program."""

from __future__ import annotations

import logging
import logging.config
import os
import signal
import subprocess
import sys
from ast import literal_eval
from functools import partial
from pathlib import Path

from netlab import forked


def _configure_logging() -> None:
    """Opens files, then configures logging, which closes earlier handlers; prints the number that stays open."""
    descriptors = [os.memfd_create("mine") for _ in range(64)]
    logging.config.dictConfig({"version": 1})
    print(sum(Path(f"/proc/self/fd/{each}").exists() for each in descriptors))


_PRINT_SIGNALS = "import signal; print({each: str(signal.getsignal(each)) for each in range(1, signal.SIGRTMIN)})"


def test_signals_are_as_a_program_finds_them() -> None:
    wanted = subprocess.run(
        [sys.executable, "-c", _PRINT_SIGNALS], capture_output=True, text=True, check=True, timeout=30
    )
    fork = partial(forked.become, "fork", partial(exec, _PRINT_SIGNALS), dict(os.environ))
    done = subprocess.run(["false"], preexec_fn=fork, capture_output=True, text=True, check=False, timeout=30)
    found, expected = (dict(literal_eval(each.stdout)) for each in (done, wanted))
    # Python's own handler of interrupts is nothing that a server has.
    found.pop(signal.SIGINT), expected.pop(signal.SIGINT)
    assert found == expected


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
