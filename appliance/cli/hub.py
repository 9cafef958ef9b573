"""``hub``: the privileged process, as `up` starts it."""

from __future__ import annotations

import os
import signal
from contextlib import nullcontext

import structlog

from appliance import logs
from appliance.cli import entrance, secret
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder, hub_socket, hub_state, instance_locked, web_uid
from appliance.cli.handover import Handover
from appliance.cli.settings import resolve
from appliance.cli.unlocking import unlock
from appliance.hub import process
from appliance.hub.door import FrontDoor
from appliance.hub.errors import HubError
from appliance.hub.names import Names
from appliance.hub.wireguard import choose

log = structlog.get_logger()


def hub() -> None:
    """The privileged process that owns the data plane. It reads its settings from the environment."""
    # Blocked before any thread starts, so that each inherits it and the signal waits for the one that asks.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    logs.configure("hub")
    settings = resolve({})
    folder = Folder(settings.data)
    handover = Handover.inherited()
    supplied = secret.given(settings) if handover is None else handover.secrets()
    unlocked = unlock(settings, folder, web_uid(), supplied, make_secret=False)
    try:
        backend = choose(settings.wireguard)
    except HubError as error:
        raise CommandError(f"This host has {error}.", Exit.UNAVAILABLE) from None
    name = unlocked.instance.id
    # A supervisor holds the lock for the hubs that it starts.
    with (
        instance_locked(name) if handover is None else nullcontext(),
        entrance.inherited(settings, unlocked.store, unlocked.instance) as public,
    ):
        remember = None if handover is None else handover.add
        door = FrontDoor(Names(name), public.port, public.sockets)
        served = process.Hub(Names(name), backend, door, unlocked.store, unlocked.vault, hub_state(name), remember)
        log.info("hub starts", instance=name, wireguard=backend.name, version=backend.version)
        allowed = {os.getuid(), web_uid()}
        process.serve(served, hub_socket(name), allowed, on_ready=lambda: log.info("hub is ready"))
