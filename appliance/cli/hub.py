"""``hub``: the privileged process, started by `up` or a service manager."""

from __future__ import annotations

import os
from contextlib import closing, nullcontext

import structlog

from appliance.cli import privileged, public_port, readiness, secret
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder, hub_socket, hub_state, instance_locked
from appliance.cli.handover import Handover
from appliance.cli.ownership import web_user
from appliance.cli.unlocking import check_one_hub, unlock
from appliance.hub import garbage, service
from appliance.hub.errors import HubError
from appliance.hub.front_door import FrontDoor
from appliance.hub.names import Names
from appliance.hub.rpc.client import HubClient
from appliance.hub.wireguard import choose

log = structlog.get_logger()


def hub() -> None:
    """The privileged process that owns the data plane. It reads its settings from the environment."""
    supervisor = os.getppid()
    settings = privileged.begin("hub")
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
    privileged.give_up_rights(None if handover is None else supervisor)
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
            accounts.forget_unfinished(Context(unlocked.store, client, settings.endpoint.in_full(public.port)))
            demo.forget(unlocked.store)
        door = FrontDoor(Names(name), public.port, public.sockets)
        served = service.Hub(Names(name), backend, door, unlocked.store, unlocked.vault, hub_state(name), remember)
        log.info("hub starts", instance=name, wireguard=backend.name, version=backend.version)
        with garbage.survivors_frozen():
            service.serve(served, hub_socket(name), web_user().uid, on_ready=_tell_that_it_is_ready)


def _tell_that_it_is_ready(_: object) -> None:
    log.info("hub is ready")
    readiness.tell()
