"""Entering the sandbox that a command runs in."""

from __future__ import annotations

import sys

from harness.cli import checks
from harness.cli.checks import end
from harness.subject import addresses
from harness.subject import inward as inwards
from harness.subject.inward import Inward
from netlab import SandboxError, sandbox


def enter_sandbox_with_way_in(option: str, listen: str) -> Inward:
    """Goes on inside a sandbox that is reached at an address of the outside."""
    inward = inwards.find()
    if inward is not None:
        return inward
    try:
        host, port = addresses.parse(listen)
    except ValueError:
        port = None
    if port is None:
        end(f"--{option} takes HOST:PORT, an IPv6 address in brackets, not {listen!r}.", checks.BAD_USAGE)
    try:
        inward = inwards.make(host, port)
    except OSError as error:
        end(f"The lab's pages can't be reached at {listen}: {error.strerror}.", checks.ADDRESS_IN_USE)
    if not sandbox.inside():
        inward.export()
        enter_sandbox()
    return inward


def enter_sandbox() -> None:
    """Goes on inside a sandbox, of which nothing is left however the command ends."""
    if sandbox.inside():
        return
    try:
        sandbox.check()
    except SandboxError as error:
        end(str(error), checks.NO_SANDBOX)
    sandbox.enter([sys.executable, "-m", "appliance", *sys.argv[1:]])
