"""The processes of a broken service as forks of the one that supervises them.

They have its break, and what it has imported: of the three seconds that a sabotage costs a processor, one went into
importing the same modules twice more.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import NoReturn

# Imported for the processes that are forked later.
from appliance import lifeline
from appliance.cli import hub, main, web  # noqa: F401
from appliance.cli.supervision import Child


def instead_of_programs() -> None:
    """From now on a child is forked where it would have been started as a program."""
    Child._popen = _popen  # type: ignore[method-assign,assignment]


def _popen(child: Child, environment: Mapping[str, str], descriptors: tuple[int, ...]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        # Never executed: the forked process goes on by itself before it would be.
        ["false"],
        stdin=subprocess.DEVNULL,
        pass_fds=descriptors,
        start_new_session=True,
        preexec_fn=partial(_go_on, child.command, environment, descriptors, os.getpid()),
    )


def _go_on(command: str, environment: Mapping[str, str], descriptors: tuple[int, ...], supervisor: int) -> NoReturn:
    code = 1
    try:
        lifeline.hold(supervisor)
        # As executing would do. `Popen` returns when its pipe is closed here, too.
        _close_all_but(descriptors)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv[1:] = [command]
        Path("/proc/self/comm").write_text(command)
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - nobody above here tells of it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _close_all_but(descriptors: Iterable[int]) -> None:
    first = 3
    for descriptor in sorted(descriptors):
        # An empty range would be taken for one without an end.
        if first < descriptor:
            os.closerange(first, descriptor)
        first = max(first, descriptor + 1)
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))
