"""Processes of a sabotaged service as forks: the supervisor of the scenario's process, hub and web of the supervisor.

Separate programs would import the same modules again; see decision 22.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial

# Imported for the processes that are forked later.
from appliance import lifeline
from appliance.cli import admin, census, hub, main, up, web  # noqa: F401
from appliance.cli.supervision import Child
from appliance.vault import Vault, WorkFactor
from harness.sabotage import catalogue
from harness.sabotage.parts import replace_part
from netlab import forked

_LITTLE_WORK = WorkFactor(2**4, 8, 1)


def command_line(sabotage: str, arguments: Sequence[str]) -> None:
    """Runs the appliance's command line with a sabotage in it, in a process that was forked for it.

    Args:
        sabotage: id of the sabotage.
        arguments: arguments of the command line.
    """
    # The start method was set for the process that this one was forked from.
    multiprocessing.set_start_method(None, force=True)
    # A seventh of a start would go into the sealing key, twice, and no sabotage is about its cost.
    replace_part(Vault, "make", staticmethod(partial(Vault.make, work=_LITTLE_WORK)))
    catalogue.function_of(sabotage)()
    # The supervisor forks its children in place of starting programs.
    Child.start_program = _forked  # type: ignore[method-assign,assignment]
    _command_line(arguments)


def operator(arguments: Sequence[str]) -> None:
    """Runs a command of the appliance's operator, without a sabotage, in a process that was forked for it.

    Args:
        arguments: arguments of the command line.
    """
    _command_line(arguments)


def _forked(child: Child, environment: Mapping[str, str], descriptors: tuple[int, ...]) -> subprocess.Popen[bytes]:
    supervisor = os.getpid()

    def body() -> None:
        lifeline.end_with_parent(supervisor)
        _command_line([child.command])

    return subprocess.Popen(
        # Never executed, since the function before it does not return.
        ["false"],
        stdin=subprocess.DEVNULL,
        pass_fds=descriptors,
        start_new_session=True,
        preexec_fn=partial(forked.become, child.command, body, environment, descriptors),
    )


def _command_line(arguments: Sequence[str]) -> None:
    sys.argv[1:] = arguments
    main()
