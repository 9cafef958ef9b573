"""``web``: the unprivileged process, started by `up` or a service manager."""

from __future__ import annotations

from appliance import libc, logs, privileges
from appliance.cli.certificate import certificate
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder, demo_state, hub_socket
from appliance.cli.ownership import web_user
from appliance.cli.settings import resolve
from appliance.cli.succession import wait_for_turn
from appliance.cli.unlocking import open_store
from appliance.service.demo_lab import DemoLab
from appliance.store import instance
from appliance.web import process
from appliance.web.site import SecurityReports


def web() -> None:
    """The unprivileged process that serves pages and API. It reads its settings from the environment."""
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
    if found is None or found.port is None:
        raise CommandError("The store is new; start the hub first.", Exit.NOT_CONFIGURED)
    host, port = settings.endpoint.host_and_port(found.port)
    process.serve(
        process.WebSettings(
            host=settings.host,
            port=settings.port,
            certificate=served,
            database_url=settings.database_url,
            hub_socket=hub_socket(found.id),
            endpoint_host=host,
            endpoint_port=port,
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
        )
    )
