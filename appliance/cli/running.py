"""Run of the service by its supervisor: checks, store, secret and sockets, and then the processes."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

import structlog

from appliance import release
from appliance.cli import checks, demonstration, operations, probe, public_port, secret
from appliance.cli.announcement import Announcement, Voice
from appliance.cli.certificate import certificate, changes
from appliance.cli.child import Child, NotStarted, pause
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder, demo_state, hub_socket, instance_locked
from appliance.cli.handover import Handover
from appliance.cli.option_table import OPTIONS
from appliance.cli.ownership import web_user
from appliance.cli.public_port import PublicPort
from appliance.cli.settings import SECRET_FILE_VARIABLE, Settings, default_data
from appliance.cli.supervision import Signals, watch
from appliance.cli.unlocking import Unlocked, check_one_hub, unlock
from appliance.host.clocks import Unhurried
from appliance.hub.errors import HubError
from appliance.hub.rpc.client import HubClient
from appliance.model.hosts import authority
from appliance.service import accounts, demo
from appliance.service.context import Context
from appliance.service.demo_lab import DemoLab
from appliance.store import operations as command_log
from appliance.store import organizations

log = structlog.get_logger()

# For a process that hangs: long enough for a slow host. A process that ends is noticed at once.
START_DEADLINE = 120.0
# Longest time from the end of a killed process's connections to its own.
_DEATH = 1.0
# Without progress; a thousand organizations take a while.
_RESTORE_DEADLINE = 180.0


def run(settings: Settings, signals: Signals, clock: Unhurried, hub: Child, web: Child, *, with_demo: bool) -> None:
    """Run the service until a signal, and remove what it made on the host.

    Args:
        clock: time for removals.
        hub, web: prepared processes.

    Raises:
        CommandError: the service can't be started.
    """
    voice = Voice(settings.log)
    implementation = checks.check_host(settings)
    if with_demo:
        demonstration.check()
    folder = Folder(settings.data)
    with folder.locked():
        checks.check_address(settings)
        unlocked = unlock(settings, folder, web_user(), secret.given(settings), make_secret=True)
        certificate_has_changed = changes(settings, folder)
        check_one_hub(unlocked.store)
        if unlocked.made is not None:
            tell_of_secret(voice, unlocked.made)
        client = HubClient(hub_socket(unlocked.instance.id))
        with (
            instance_locked(unlocked.instance.id),
            public_port.opened(settings, unlocked.store, unlocked.instance) as door,
            Handover.made(unlocked.secret, unlocked.vault.key) as handover,
        ):
            _tell_of(voice, settings, door)
            where = settings.endpoint.in_full(door.port)
            accounts.forget_unfinished(Context(unlocked.store, client, where))
            demo.forget(unlocked.store)
            operations.note(unlocked.store, command_log.STARTED, version=release.version())
            announced = announcement(settings, folder, unlocked, where, implementation)
            unlocked.store.close()
            voice.tell("MeshWG starts", "Starting…", version=release.version())
            hub.is_ready, hub.handed = lambda: _answers(client), handover.handed | door.handed
            web.is_ready = web_readiness(settings)
            demonstrations = []
            if with_demo:
                lab = DemoLab(demo_state(unlocked.instance.id))
                demonstrations.append(Child("demo", web.environment, lambda: lab.look() is not None))
            _supervise(voice, announced, client, signals, certificate_has_changed, clock, hub, web, demonstrations)


def tell_of_secret(voice: Voice, made: Path) -> None:
    """Tell of a new unlock secret at once, as the start may still fail."""
    voice.tell(
        "an unlock secret was made",
        f"An unlock secret was made in {made}. Keep it: without it the keys stay sealed.",
        file=str(made),
        variable=SECRET_FILE_VARIABLE,
    )


def web_readiness(settings: Settings) -> Callable[[], bool]:
    """Make a function that tells whether the web process answers."""
    return lambda: probe.answer(settings, "/healthz") == HTTPStatus.OK


def _tell_of(voice: Voice, settings: Settings, door: PublicPort) -> None:
    if door.before is not None and settings.endpoint.port is None:
        voice.tell(
            "the public UDP port is another one",
            f"Configurations name UDP port {door.port} from now on; those that name {door.before} are dead.",
            port=door.port,
            before=door.before,
        )
    if settings.endpoint.port not in (None, door.port):
        voice.tell(
            "configurations name another port",
            f"Configurations name {settings.endpoint}: lead what arrives there to UDP port {door.port} here.",
            endpoint=str(settings.endpoint),
            port=door.port,
        )
    if settings.endpoint.warning is not None:
        voice.tell(
            "only nearby machines can reach the endpoint",
            f"{settings.endpoint.warning} If they shall, name another host with --endpoint.",
            reason=settings.endpoint.warning,
        )


def announcement(
    settings: Settings, folder: Folder, unlocked: Unlocked, where: str, implementation: str
) -> Announcement:
    """Make the message that the service is up.

    Args:
        where: HOST:PORT at which machines reach the hub.
        implementation: of WireGuard.
    """
    served = certificate(settings, folder)
    with unlocked.store.read() as transaction:
        count = organizations.count(transaction)
    return Announcement(
        url=probe.url(settings),
        fingerprint=served.fingerprint(),
        certificate=folder.certificate if settings.tls_cert is None else None,
        secret=unlocked.made or settings.unlock_secret_file,
        endpoint=where,
        wireguard=implementation,
        sign_up=settings.sign_up,
        organizations=count,
        data=_option("data", str(settings.data), str(default_data())),
        listen=_option("listen", authority(*settings.listen), OPTIONS["listen"].default),
    )


def _option(name: str, value: str, usual: str | None) -> str:
    return "" if value == usual else f" --{name} {shlex.quote(value)}"


def _supervise(
    voice: Voice,
    announcement: Announcement,
    client: HubClient,
    signals: Signals,
    certificate_has_changed: Callable[[], bool],
    clock: Unhurried,
    hub: Child,
    web: Child,
    demonstrations: list[Child],
) -> None:
    try:
        hub.start(START_DEADLINE)
        if wait_until_restored(hub, client, signals):
            web.start(START_DEADLINE)
            for each in demonstrations:
                each.start(START_DEADLINE)
            announcement.tell(voice)
            # It takes part in no restart: its removal and its return take the hub.
            watch([hub, web], signals, certificate_has_changed, demonstrations, meanwhile=clock.now)
        voice.tell("MeshWG ends", "Stopping.")
    except NotStarted as error:
        raise CommandError(f"{error} Its log above says why.", Exit.UNAVAILABLE) from None
    finally:
        for each in demonstrations:
            each.stop()
        web.stop()
        tear_down(hub, client)
        hub.stop()


def tear_down(hub: Child, client: HubClient) -> None:
    """Have the hub remove everything of this instance from the host; one that dies at that is started again for it."""
    for is_last in (False, True):
        try:
            # A hub that was restarted just now does not listen yet.
            hub.await_ready(START_DEADLINE)
            client.tear_down()
        except (NotStarted, HubError) as error:
            if is_last or not hub.was_ready or not hub.ends_within(_DEATH):
                log.error("a part of the data plane remains", error=str(error))
                return
            hub.revive(at_once=True)
        else:
            return


def wait_until_restored(hub: Child, client: HubClient, signals: Signals, patience_s: float = _RESTORE_DEADLINE) -> bool:
    """Wait until a new hub has tried to enforce every stored organization.

    Args:
        patience_s: longest time without another enforced organization, in seconds.

    Returns:
        False if a signal asked to stop meanwhile.

    Raises:
        NotStarted: the hub ended, or has made no progress for a long time.
    """
    start = time.monotonic()
    most, deadline = 0, start + patience_s
    while not signals.stopped:
        hub.check()
        with suppress(HubError):
            status = client.status()
            if status.restored:
                return True
            if status.enforcing > most:
                most, deadline = status.enforcing, time.monotonic() + patience_s
        if time.monotonic() > deadline:
            raise NotStarted(f"For {patience_s:.0f} seconds no more organization was enforced than {most}.")
        time.sleep(pause(time.monotonic() - start))
    return False


def _answers(client: HubClient) -> bool:
    try:
        client.status()
    except HubError:
        return False
    return True
