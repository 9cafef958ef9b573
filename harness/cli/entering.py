"""Entry of a command into its sandbox."""

from __future__ import annotations

import sys

from harness.subject import inward as inwards
from harness.subject.inward import Inward
from netlab import SandboxError, sandbox
from reports import addresses
from reports.ending import ADDRESS_IN_USE, BAD_USAGE, NO_SANDBOX, end


def enter_sandbox_with_way_in(option: str, listen: str, what: str) -> Inward:
    """Continues in a sandbox with a listener outside of it.

    Args:
        option: name of the option that has the address, for error messages.
        listen: ``HOST:PORT`` to listen on.
        what: what is reached there, for error messages.
    """
    inward = inwards.find()
    if inward is not None:
        return inward
    try:
        host, port = addresses.parse(listen)
    except ValueError:
        port = None
    if port is None:
        end(f"--{option} takes HOST:PORT, an IPv6 address in brackets, not {listen!r}.", BAD_USAGE)
    try:
        inward = inwards.make(host, port)
    except OSError as error:
        end(f"The {what} can't be reached at {listen}: {error.strerror}.", ADDRESS_IN_USE)
    if not sandbox.inside():
        inward.export()
        enter_sandbox()
    return inward


def enter_sandbox() -> None:
    """Continues in a sandbox, which is gone with the command's end."""
    if sandbox.inside():
        return
    try:
        sandbox.check()
    except SandboxError as error:
        end(str(error), NO_SANDBOX)
    sandbox.enter([sys.executable, "-m", "appliance", *sys.argv[1:]])
