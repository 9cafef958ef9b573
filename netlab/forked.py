"""What a forked process does where it would have executed a program: a function of the program that forked it.

For programs that are loaded already; a Python program of some size takes longer to load than many labs live.
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


def become(
    name: str, function: Callable[[], object], environment: Mapping[str, str], keep: Collection[int] = ()
) -> NoReturn:
    """Runs a function as if it were a program's, and ends this process: for `subprocess.Popen(preexec_fn=…)`.

    Standard streams, signals, open files, environment and settings of the interpreter are as an executed program finds
    them. What the function raises goes to standard error; `SystemExit` gives the exit status.

    Args:
        name: of the process, at most 15 bytes; see proc_pid_comm(5).
        keep: open files to leave open beside the standard ones.
    """
    # While the numbers of their files are theirs: whoever configures logging later has them closed.
    logging.shutdown()
    # `Popen` returns when its pipe is closed here, too.
    _close_all_but(keep)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    Path("/proc/self/comm").write_text(name)
    # Not those of the program that forked this one, which may have something written there.
    sys.stdout, sys.stderr = _stream(1), _stream(2)
    logging.getLogger().handlers.clear()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    gc.enable()
    end_with(function)


def end_with(function: Callable[[], object]) -> NoReturn:
    """Runs a function, and ends this process as a program ends: status 0, or that of `SystemExit`, or 1."""
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
