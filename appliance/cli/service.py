"""``up``, and the two processes that it supervises."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import nullcontext
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console

from appliance import logs
from appliance.cli import preparation, probe, secret
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder, hub_socket, instance_locked, web_uid
from appliance.cli.handover import Handover
from appliance.cli.options import Config, Data, DatabaseUrl, Listen
from appliance.cli.settings import SECRET_FILE_VARIABLE, SECRET_VARIABLE, Settings, resolve
from appliance.cli.supervision import Child, NotStarted, watch
from appliance.hub import process as hub_process
from appliance.hub.client import HubClient
from appliance.hub.errors import HubError
from appliance.hub.names import Names
from appliance.hub.wireguard import choose
from appliance.service import accounts
from appliance.service.workplace import Workplace
from appliance.store import Store, instance
from appliance.web import process as web_process

log = structlog.get_logger()

# Restoring a thousand organizations takes its time before the hub answers.
_HUB_DEADLINE = 180.0
_WEB_DEADLINE = 20.0


def up(
    data: Data = None,
    listen: Listen = None,
    endpoint: Annotated[str | None, typer.Option(help="Host that configurations name as the hub.")] = None,
    database_url: DatabaseUrl = None,
    wireguard: Annotated[str | None, typer.Option(help="auto, kernel, wireguard-go or boringtun.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate (PEM) in place of a self-signed one.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    trusted_source: Annotated[
        list[str] | None, typer.Option(help="Range without limits on sign-up and changes; repeatable.")
    ] = None,
    config: Config = None,
) -> None:
    """Run the appliance in the foreground: hub, pages and API.

    Ends with Ctrl-C or SIGTERM, and then removes what it made on the host. Exit codes: 65 wrong unlock secret, 69 the
    host lacks something, 71 address taken, 73 data folder unusable, 75 data folder in use, 77 not root, 78 settings
    that make no sense or no unlock secret.
    """
    console = Console(highlight=False, soft_wrap=True)
    settings = resolve(
        {
            "data": data,
            "listen": listen,
            "endpoint": endpoint,
            "database_url": database_url,
            "wireguard": wireguard,
            "tls_cert": tls_cert,
            "tls_key": tls_key,
            "trusted_source": trusted_source,
        },
        config,
    )
    # Blocked first: a signal during the start would leave half of it behind.
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())

    implementation = preparation.check_host(settings)
    folder = Folder(settings.data)
    with folder.locked():
        preparation.check_address(settings)
        unlocked = preparation.unlock(settings, folder, web_uid(), secret.given(settings), make_secret=True)
        preparation.certificate(settings, folder, web_uid())
        if unlocked.made is not None:
            console.print(f"An unlock secret was made in {unlocked.made}. Keep it: without it the keys stay sealed.")
            console.print(f"From now on start with {SECRET_FILE_VARIABLE}={unlocked.made}")
        client = HubClient(hub_socket(unlocked.instance.id))
        with instance_locked(unlocked.instance.id), Handover.made(unlocked.secret) as handover:
            accounts.forget_unfinished(Workplace(unlocked.store, client, settings.endpoint))
            unlocked.store.close()
            _run(console, settings, handover, client, implementation, stopped)


def _run(
    console: Console,
    settings: Settings,
    handover: Handover,
    client: HubClient,
    implementation: str,
    stopped: threading.Event,
) -> None:
    inherited = {
        key: value for key, value in os.environ.items() if key not in (SECRET_VARIABLE, SECRET_FILE_VARIABLE)
    } | settings.environment()
    hub = Child("hub", inherited | handover.environment(), lambda: _answers(client), (handover.descriptor,))
    web = Child("web", inherited, lambda: probe.answer(settings, "/healthz") == HTTPStatus.OK)
    try:
        hub.start(_HUB_DEADLINE)
        web.start(_WEB_DEADLINE)
        console.print(f"MeshWG is up at {probe.url(settings)} (WireGuard: {implementation}; Ctrl-C ends it)")
        watch([hub, web], stopped)
        console.print("Stopping.")
    except NotStarted as error:
        raise CommandError(f"{error} Its log above says why.", Exit.UNAVAILABLE) from None
    finally:
        web.stop()
        try:
            client.tear_down()
        except HubError as error:
            log.warning("the data plane was left as it is", error=str(error))
        hub.stop()


def hub() -> None:
    """The privileged process that owns the data plane. It reads its settings from the environment."""
    # Blocked before any thread starts, so that each inherits it and the signal waits for the one that asks.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    logs.configure("hub")
    settings = resolve({})
    folder = Folder(settings.data)
    handover = Handover.inherited()
    supplied = secret.given(settings) if handover is None else handover.secrets()
    unlocked = preparation.unlock(settings, folder, web_uid(), supplied, make_secret=False)
    try:
        backend = choose(settings.wireguard)
    except HubError as error:
        raise CommandError(f"This host has {error}.", Exit.UNAVAILABLE) from None
    name = unlocked.instance.id
    # A supervisor holds the lock for the hubs that it starts.
    with instance_locked(name) if handover is None else nullcontext():
        remember = None if handover is None else handover.add
        served = hub_process.Hub(Names(name), backend, unlocked.store, unlocked.vault, remember)
        log.info("hub starts", instance=name, wireguard=backend.name, version=backend.version)
        allowed = {os.getuid(), web_uid()}
        hub_process.serve(served, hub_socket(name), allowed, on_ready=lambda: log.info("hub is ready"))


def web() -> None:
    """The unprivileged process that serves pages and API. It reads its settings from the environment."""
    logs.configure("web")
    settings = resolve({})
    folder = Folder(settings.data)
    certificate = preparation.certificate(settings, folder, web_uid())
    store = Store(settings.database_url)
    with store.read() as transaction:
        found = instance.find(transaction)
    store.close()
    if found is None:
        raise CommandError("The store is new; start the hub first.", Exit.NOT_CONFIGURED)
    web_process.serve(
        web_process.WebSettings(
            host=settings.host,
            port=settings.port,
            certificate=certificate,
            database_url=settings.database_url,
            hub_socket=hub_socket(found.id),
            endpoint_host=settings.endpoint,
            trusted=settings.trusted_source,
            uid=web_uid(),
        )
    )


def _answers(client: HubClient) -> bool:
    try:
        client.status()
    except HubError:
        return False
    return True
