"""Functions that run in a forked process as if they were programs.

For code that is loaded already: a Python program of some size takes longer to load than many labs live.
"""

from __future__ import annotations

import gc
import io
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NoReturn

_SWITCH_INTERVAL_S = 0.005
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM, signal.SIGCHLD)
# Python ignores them from its start on, so that a write to a closed connection is an error; `Popen` undoes that.
_IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)


def become(
    name: str, function: Callable[[], object], environment: Mapping[str, str], keep: Collection[int] = ()
) -> NoReturn:
    """Runs a function as if it were a program, and ends this process; for `subprocess.Popen(preexec_fn=…)`.

    Standard streams, signals, open files, environment and settings of the interpreter are as an executed program finds
    them. An exception goes to standard error; `SystemExit` gives the exit status.

    Args:
        name: name of the process, at most 15 bytes; see proc_pid_comm(5).
        function: the function.
        environment: all variables that the function finds in `os.environ`.
        keep: file descriptors to leave open beside 0, 1 and 2.
    """
    # Closes log handlers while their file numbers are still theirs: a later set-up of logging would close other files.
    logging.shutdown()
    # `Popen` returns when its pipe is closed here, too.
    _close_all_but(keep)
    for number in _SIGNALS:
        # A program goes on ignoring what its parent ignores, as SIGHUP under nohup(1); see execve(2).
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(environment)
    Path("/proc/self/comm").write_text(name)
    # New streams: those of the parent may hold text that it has not written yet.
    sys.stdout, sys.stderr = _stream(1), _stream(2)
    logging.getLogger().handlers.clear()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    # Objects of the parent that nobody can reach any more would close files of this process, which have their numbers.
    gc.freeze()
    gc.enable()
    end_with(function)


def end_with(function: Callable[[], object]) -> NoReturn:
    """Runs a function, and ends this process as a program ends.

    Args:
        function: the function. The exit status is 0 when it returns, that of a `SystemExit`, or 1 after another
            exception.
    """
    code = 1
    try:
        function()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if not isinstance(end.code, int | None):
            print(end.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - nobody above here tells of it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _stream(descriptor: int) -> io.TextIOWrapper:
    return os.fdopen(descriptor, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)


def _close_all_but(descriptors: Collection[int]) -> None:
    first = 3
    for descriptor in sorted(descriptors):
        # An empty range would be taken for one without an end.
        if first < descriptor:
            os.closerange(first, descriptor)
        first = max(first, descriptor + 1)
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))
