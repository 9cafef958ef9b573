"""``hub``: the privileged process, started by `up` or a service manager."""

from __future__ import annotations

import os
import signal
from contextlib import closing, nullcontext

import structlog

from appliance import libc, lifeline, logs, privileges
from appliance.cli import public_port, readiness, secret, trust
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder, hub_socket, hub_state, instance_locked
from appliance.cli.handover import Handover
from appliance.cli.ownership import web_user
from appliance.cli.settings import resolve
from appliance.cli.succession import wait_for_turn
from appliance.cli.unlocking import check_one_hub, unlock
from appliance.hub import garbage, service
from appliance.hub.errors import HubError
from appliance.hub.front_door import FrontDoor
from appliance.hub.kernel import limits
from appliance.hub.names import Names
from appliance.hub.rpc.client import HubClient
from appliance.hub.wireguard import choose
from appliance.privileges import Capability

log = structlog.get_logger()

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
"""Capabilities that the hub's process keeps."""


def hub() -> None:
    """The privileged process that owns the data plane. It reads its settings from the environment."""
    supervisor = os.getppid()
    wait_for_turn()
    libc.share_heap()
    privileges.leave_groups()
    trust.clean_path(web_user())
    # Blocked before any thread starts, so that all inherit it and only the waiting thread gets the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    settings = resolve({})
    logs.configure("hub", settings.log)
    if settings.has_many_hubs:
        raise CommandError("This is a host's only hub; with --etcd, run `meshwg up`.", Exit.NOT_CONFIGURED)
    folder = Folder(settings.data)
    handover = Handover.inherited()
    supplied, key = (secret.given(settings), None) if handover is None else (handover.secrets(), handover.key())
    unlocked = unlock(settings, folder, web_user(), supplied, make_secret=False, key=key)
    try:
        check_one_hub(unlocked.store)
        backend = choose(settings.wireguard)
    except HubError as error:
        raise CommandError(f"This host has {error}.", Exit.UNAVAILABLE) from None
    name = unlocked.instance.id
    limits.raise_limits()
    privileges.keep_only(NEEDED_CAPABILITIES)
    if handover is not None:
        # Set again: changing the user for file access has cleared it.
        lifeline.end_with_parent(supervisor)
    # A supervisor holds the lock for the hubs that it starts.
    with (
        closing(unlocked.store),
        instance_locked(name) if handover is None else nullcontext(),
        public_port.inherited(settings, unlocked.store, unlocked.instance) as public,
    ):
        remember = None if handover is None else handover.add
        if handover is None:
            # Only a hub without a supervisor needs them, and they take a tenth of its start.
            from appliance.cli.certificate import certificate
            from appliance.service import accounts, demo
            from appliance.service.context import Context

            certificate(settings, folder)
            if settings.endpoint.warning is not None:
                log.warning("only nearby machines can reach the endpoint", reason=settings.endpoint.warning)
            # Without `up`, the hub does this before the web process can sign anybody up.
            client = HubClient(hub_socket(name))
            accounts.forget_unfinished(Context(unlocked.store, client, *settings.endpoint.host_and_port(public.port)))
            demo.forget(unlocked.store)
        door = FrontDoor(Names(name), public.port, public.sockets)
        served = service.Hub(Names(name), backend, door, unlocked.store, unlocked.vault, hub_state(name), remember)
        log.info("hub starts", instance=name, wireguard=backend.name, version=backend.version)
        allowed = {os.getuid(), web_user().uid}
        with garbage.survivors_frozen():
            service.serve(served, hub_socket(name), allowed, on_ready=_tell_that_it_is_ready)


def _tell_that_it_is_ready(_: object) -> None:
    log.info("hub is ready")
    readiness.tell()
