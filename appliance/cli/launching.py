"""Start of this program, or another one, as a child of a supervisor, and the relay of its output."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import IO

from appliance import lifeline, logs

PROGRAM: tuple[str, ...] = (sys.executable, "-m", "appliance")
"""Command that starts this program as a child."""

_STANDARD_ERROR = 2
_LONGEST_LINE = 2**16


def launch(
    command: str, environment: Mapping[str, str], descriptors: tuple[int, ...], *, is_piped: bool
) -> subprocess.Popen[bytes]:
    """Start this program with a command of it.

    Args:
        environment: all of its variables.
        descriptors: open files that it inherits.
        is_piped: True for its output to be read from the process; otherwise it goes where this process's goes.
    """
    # A killed supervisor must not leave an unsupervised service behind.
    begin = partial(lifeline.end_with_parent, os.getpid())
    return spawn([*PROGRAM, command], begin, descriptors, is_piped=is_piped, environment=dict(environment))


def spawn(
    arguments: Sequence[str],
    begin: Callable[[], object],
    descriptors: tuple[int, ...],
    *,
    is_piped: bool,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process as a child of a supervisor; otherwise as `launch`.

    Args:
        begin: called in the new process before it becomes the program.
        environment: None for the variables of this process.
    """
    return subprocess.Popen(
        arguments,
        env=environment,
        # With `-m`, Python imports from the current folder first, which may be somebody else's.
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if is_piped else None,
        stderr=subprocess.STDOUT if is_piped else None,
        pass_fds=descriptors,
        # A signal from the terminal is for the supervisor, which stops its children in order.
        start_new_session=True,
        preexec_fn=begin,
    )


def relay(said: IO[bytes]) -> None:
    """Copy a child's output to standard error line by line, without control characters on a terminal."""
    is_terminal = os.isatty(_STANDARD_ERROR)
    with said:
        while line := said.readline(_LONGEST_LINE):
            if is_terminal:
                line = logs.printable(line.decode(errors="backslashreplace")).encode()
            with suppress(OSError):
                os.write(_STANDARD_ERROR, line)
