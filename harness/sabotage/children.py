"""Hub and web of a supervisor as its forks, which have loaded their code already."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial

# Imported for the processes that are forked later; the hub loads a part of pyroute2 when it first uses it.
import pyroute2.iproute  # noqa: F401

from appliance import lifeline
from appliance.cli import admin, census, hub, launching, main, running, up, web  # noqa: F401
from harness.sabotage.parts import replace_part
from netlab import forked


def command_line(arguments: Sequence[str]) -> None:
    """Runs the appliance's command line in this process, which was forked for it.

    Args:
        arguments: arguments of the command line.
    """
    # The start method may have been set for the process that this one was forked from.
    multiprocessing.set_start_method(None, force=True)
    # The supervisor forks its children in place of starting programs.
    replace_part(launching, "launch", _forked)
    sys.argv[1:] = arguments
    main()


def _forked(
    command: str, environment: Mapping[str, str], descriptors: tuple[int, ...], *, is_piped: bool
) -> subprocess.Popen[bytes]:
    supervisor = os.getpid()

    def body() -> None:
        lifeline.end_with_parent(supervisor)
        command_line([command])

    begin = partial(forked.become, command, body, environment, descriptors)
    # The program is never executed, since the function before it does not return.
    return launching.spawn(["false"], begin, descriptors, is_piped=is_piped)
