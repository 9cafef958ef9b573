"""Sandboxes: namespaces of its own for a program, of which nothing is left once the program is gone.

The program sees a private process tree, network, and mounts, with a private `/run` and TMPDIR. It needs no root where
the kernel allows user namespaces. However it ends, and be it by SIGKILL, the kernel removes every process, namespace,
mount and temporary file: they all hang on one process (pid 1 of the sandbox), and that one on its starter.

On the command line: `python -m netlab.sandbox -- PROGRAM ARGUMENT…`
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from netlab.errors import SandboxError

MARK = "NETLAB_SANDBOX"
"""Set to 1 in the environment of everything that runs in a sandbox."""

EXIT_NO_SANDBOX = 125
"""Exit status of the launcher when there can be no sandbox; its standard error says why."""


def command(argv: Sequence[str], *, die_with_parent: bool = False) -> list[str]:
    """Returns the command line that runs a program in a sandbox.

    It ends with the program's exit status (128 + n after signal n) and passes SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1
    and SIGUSR2 on to the program. If there can be no sandbox, it writes one sentence to standard error and ends with
    `EXIT_NO_SANDBOX`.

    Args:
        argv: the program (looked up in PATH) and its arguments.
        die_with_parent: kill the sandbox when the *thread* that starts it ends; for a caller that stays and watches.

    Raises:
        ValueError: `argv` is empty.
    """
    if not argv:
        raise ValueError("a sandbox needs a program to run")
    # A folder with a __main__.py can be run from everywhere, whether or not the package is installed.
    option = ["--die-with-parent"] if die_with_parent else []
    return [sys.executable, str(Path(__file__).resolve().parent), *option, "--", *argv]


def enter(argv: Sequence[str]) -> NoReturn:
    """Replaces this process by a program in a sandbox.

    Args:
        argv: the program (looked up in PATH) and its arguments.
    """
    line = command(argv)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(line[0], line)  # noqa: S606 - no shell is wanted


def call(function: Callable[[], object], *, die_with_parent: bool = False) -> int:
    """Runs a function in a sandbox, in a process of its own; what is loaded already need not be loaded again.

    It waits, and passes signals on as the launcher of `command` does. It changes the calling process for good, which
    must have one thread: call it last.

    Args:
        function: the function.
        die_with_parent: kill the sandbox when the *thread* that starts it ends; for a caller that stays and watches.

    Returns:
        0 once the function has returned, the status it gave `sys.exit`, or 1; 128 + n after signal n.

    Raises:
        SandboxError: this user on this machine can't have a sandbox.
    """
    from netlab import launch

    return launch.call(function, die_with_parent=die_with_parent)


def inside() -> bool:
    """Tells whether this process runs in a sandbox."""
    return os.environ.get(MARK) == "1"


def check() -> None:
    """Starts a sandbox and ends it, in 0.1 s.

    Raises:
        SandboxError: this user on this machine can't have one; the message is the reason and the remedy.
    """
    done = subprocess.run(command(["true"]), capture_output=True, text=True, check=False, timeout=30)
    if done.returncode != 0:
        raise SandboxError(done.stderr.strip().removeprefix("netlab: ") or f"exit status {done.returncode}")


def main(arguments: Sequence[str]) -> int:
    """Runs the command line `python -m netlab.sandbox`.

    Args:
        arguments: the words behind the module's name.

    Returns:
        Exit status: the program's, 2 for a wrong command line, or `EXIT_NO_SANDBOX`.
    """
    from netlab import launch

    usage = "usage: python -m netlab.sandbox [--die-with-parent] -- PROGRAM ARGUMENT..."
    rest = list(arguments)
    die_with_parent = rest[:1] == ["--die-with-parent"]
    if die_with_parent:
        rest.pop(0)
    if rest[:1] == ["--"]:
        rest.pop(0)
    elif rest[:1] and rest[0].startswith("-"):
        rest.clear()
    if not rest:
        print(usage, file=sys.stderr)
        return 2
    try:
        return launch.launch(rest, die_with_parent=die_with_parent)
    except SandboxError as error:
        print(f"netlab: {error}", file=sys.stderr)
        return EXIT_NO_SANDBOX


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
