"""``web``: the unprivileged process, started by `up` or a service manager."""

from __future__ import annotations

from functools import partial

from appliance import libc, logs, privileges
from appliance.cli import removal_clock
from appliance.cli.certificate import certificate
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder, demo_state, hub_socket
from appliance.cli.ownership import web_user
from appliance.cli.public_port import USUAL_PORT
from appliance.cli.settings import Settings, resolve
from appliance.cli.succession import wait_for_turn
from appliance.cli.unlocking import open_store
from appliance.hub.rpc.client import HubClient
from appliance.service.demo_lab import DemoLab
from appliance.store import Store, instance
from appliance.web import pages, process
from appliance.web.process import ServedHub
from appliance.web.site import SecurityReports


def web() -> None:
    """The unprivileged process that serves pages and API. It reads its settings from the environment."""
    # Read while the process before this one works, or the hub starts.
    pages.loaded()
    wait_for_turn()
    libc.share_heap()
    privileges.leave_groups()
    settings = resolve({})
    logs.configure("web", settings.log)
    folder = Folder(settings.data)
    served = certificate(settings, folder)
    store = open_store(settings)
    with store.read() as transaction:
        found = instance.find(transaction)
    store.close()
    if found is None or (found.port is None and not settings.has_many_hubs):
        raise CommandError("The store is new; start the hub first.", Exit.NOT_CONFIGURED)
    process.serve(
        process.WebSettings(
            host=settings.host,
            port=settings.port,
            certificate=served,
            database_url=settings.database_url,
            connect=partial(_connect, settings, found.id),
            is_alone=not settings.has_many_hubs,
            # With many hubs, each shard has an address and port of its own.
            endpoint=settings.endpoint.in_full(found.port or USUAL_PORT),
            trusted=settings.trusted_source,
            proxies=settings.trusted_proxy,
            site=settings.public_url,
            relay=settings.relay,
            user=web_user(),
            sign_up=settings.sign_up,
            unused_days=settings.unused_days,
            metrics_token=settings.metrics_token,
            security=SecurityReports(settings.security_contact, settings.advisories_url),
            retention=settings.retention,
            transcripts=folder.transcripts,
            demo=DemoLab(demo_state(found.id)),
            believed=removal_clock.told(),
        )
    )


def _connect(settings: Settings, instance_id: str, store: Store) -> ServedHub:
    if not settings.has_many_hubs:
        return HubClient(hub_socket(instance_id))
    from appliance.cli import many_hubs

    return many_hubs.hubs(settings, store)
