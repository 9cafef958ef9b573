"""Privileged processes, which own a data plane: how each begins, and what it keeps of root's rights."""

from __future__ import annotations

import signal

from appliance import libc, lifeline, logs, privileges
from appliance.cli import trust
from appliance.cli.ownership import web_user
from appliance.cli.settings import Settings, resolve
from appliance.cli.succession import wait_for_turn
from appliance.hub.kernel import limits
from appliance.privileges import Capability

NEEDED_CAPABILITIES = (
    # Links, routes, rules and sockets of namespaces; namespaces themselves, and their names, which are mounts.
    Capability.NET_ADMIN,
    Capability.SYS_ADMIN,
    # The front door forwards packets with the sender's address.
    Capability.NET_RAW,
    # Files of the store belong to the web process's user, control sockets are shared with WireGuard's.
    Capability.DAC_OVERRIDE,
    Capability.CHOWN,
    Capability.FOWNER,
    # WireGuard's processes run as another user, with fewer privileges, and are ended when their link is.
    Capability.SETUID,
    Capability.SETGID,
    Capability.SETPCAP,
    Capability.KILL,
)
"""Capabilities that the process keeps."""


def begin(command: str) -> Settings:
    """Wait for the turn of this process, and read its settings from the environment."""
    wait_for_turn()
    libc.share_heap()
    privileges.leave_groups()
    trust.clean_path(web_user())
    # Blocked before any thread starts, so that all inherit it and only the waiting thread gets the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    settings = resolve({})
    logs.configure(command, settings.log)
    return settings


def give_up_rights(supervisor: int | None) -> None:
    """Keep `NEEDED_CAPABILITIES` alone, when the store is open.

    Args:
        supervisor: process that this one ends with; None if there is none.
    """
    limits.raise_limits()
    privileges.keep_only(NEEDED_CAPABILITIES)
    if supervisor is not None:
        # Set again: changing the user for file access has cleared it.
        lifeline.end_with_parent(supervisor)
