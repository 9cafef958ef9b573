"""The processes of a broken service as forks, of what runs its scenario and of the one that supervises them.

As programs they would load the same modules again; see decision 22.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial

# Imported for the processes that are forked later.
from appliance import lifeline
from appliance.cli import hub, main, up, web  # noqa: F401
from appliance.cli.supervision import Child
from harness.sabotage.catalogue import BY_ID
from netlab import forked


def command_line(sabotage: str, arguments: Sequence[str]) -> None:
    """The appliance's command line with one break in it, in a process that is forked for it."""
    # What `multiprocessing` was told belongs to who forked this process.
    multiprocessing.set_start_method(None, force=True)
    _break_in(sabotage)
    _instead_of_programs()
    _command_line(arguments)


def _break_in(sabotage: str) -> None:
    module, _, function = BY_ID[sabotage].function.partition(":")
    getattr(importlib.import_module(f"harness.sabotage.{module}"), function)()


def _instead_of_programs() -> None:
    """From now on a child of the supervisor is forked where it would have been started as a program."""
    Child._popen = _popen  # type: ignore[method-assign,assignment]


def _popen(child: Child, environment: Mapping[str, str], descriptors: tuple[int, ...]) -> subprocess.Popen[bytes]:
    supervisor = os.getpid()

    def body() -> None:
        lifeline.end_with_parent(supervisor)
        _command_line([child.command])

    return subprocess.Popen(
        # Never executed: the forked process goes on by itself before it would be.
        ["false"],
        stdin=subprocess.DEVNULL,
        pass_fds=descriptors,
        start_new_session=True,
        preexec_fn=partial(forked.become, child.command, body, environment, descriptors),
    )


def _command_line(arguments: Sequence[str]) -> None:
    sys.argv[1:] = arguments
    main()
