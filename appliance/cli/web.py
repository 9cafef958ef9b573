"""``web``: the unprivileged process, as `up` or a service manager starts it."""

from __future__ import annotations

from appliance import logs
from appliance.cli.certificate import certificate
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder, hub_socket, web_uid
from appliance.cli.settings import resolve
from appliance.cli.succession import wait_for_turn
from appliance.store import Store, instance
from appliance.web import process


def web() -> None:
    """The unprivileged process that serves pages and API. It reads its settings from the environment."""
    wait_for_turn()
    logs.configure("web")
    settings = resolve({})
    folder = Folder(settings.data)
    files = certificate(settings, folder, web_uid())
    store = Store(settings.database_url)
    with store.read() as transaction:
        found = instance.find(transaction)
    store.close()
    if found is None or found.port is None:
        raise CommandError("The store is new; start the hub first.", Exit.NOT_CONFIGURED)
    process.serve(
        process.WebSettings(
            host=settings.host,
            port=settings.port,
            certificate=files,
            database_url=settings.database_url,
            hub_socket=hub_socket(found.id),
            endpoint_host=settings.endpoint,
            endpoint_port=found.port,
            trusted=settings.trusted_source,
            proxies=settings.trusted_proxy,
            site=settings.public_url,
            relay=settings.relay,
            uid=web_uid(),
            metrics_token=settings.metrics_token,
            transcripts=folder.transcripts,
        )
    )
