"""Run of one of many hosts by its supervisor: a process for each shard, and the web process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy.exc import SQLAlchemyError

from appliance import release
from appliance.cli import checks, operations, running, secret, several
from appliance.cli.announcement import Voice
from appliance.cli.certificate import changes
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder, instance_locked
from appliance.cli.handover import Handover
from appliance.cli.ownership import web_user
from appliance.cli.settings import Settings
from appliance.cli.shard_process import VARIABLE
from appliance.cli.supervision import Child, NotStarted, Signals, watch
from appliance.cli.unlocking import unlock
from appliance.cluster.errors import EtcdUnreachable
from appliance.cluster.guidance import Guidance
from appliance.model.errors import Unavailable
from appliance.store import Store, shards
from appliance.store import operations as trail
from appliance.store.shards import Shard

log = structlog.get_logger()

_LOOK_S = 1.0
# A hub that gives its shard up removes everything of it from the host.
_GIVING_UP_S = 120.0


class _Watch:
    """Thread that looks for new shards, and tells the other hosts that this one is there."""

    def __init__(self, host: str, store: Store, guidance: Guidance) -> None:
        self._host, self._store, self._guidance = host, store, guidance
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        self.shards = self._found()

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        try:
            self._guidance.leave()
        except EtcdUnreachable as error:
            log.warning("other hosts take this one for present for some seconds more", error=str(error))

    def _found(self) -> Sequence[Shard]:
        with self._store.read() as transaction:
            return shards.find_all(transaction)

    def _look(self) -> None:
        while True:
            try:
                self._guidance.show_up(self._host)
                self.shards = self._found()
            except (EtcdUnreachable, SQLAlchemyError, Unavailable) as error:
                log.warning("etcd or the database can't be asked", error=str(error))
            if self._ended.wait(_LOOK_S):
                return


class _Hubs:
    """The processes of this host's hubs."""

    def __init__(self, environment: Mapping[str, str], handover: Handover) -> None:
        self._environment, self._handover = environment, handover
        self._known: set[str] = set()

    def start_new(self, found: Sequence[Shard], children: list[Child]) -> None:
        """Start a process for each shard that has none, and add it to the children."""
        for shard in found:
            if shard.id in self._known:
                continue
            child = Child("shard", {**self._environment, VARIABLE: shard.id}, handed=self._handover.handed)
            # It may wait for its shard for as long as another host has it.
            child.is_ready = lambda: True
            child.start(running.START_DEADLINE)
            self._known.add(shard.id)
            children.append(child)


def run(settings: Settings, signals: Signals, environment: Mapping[str, str], web: Child) -> None:
    """Run this host's part of the service until a signal, and then give its shards up.

    Args:
        environment: all variables of its processes.
        web: prepared process.

    Raises:
        CommandError: the service can't be started.
    """
    voice = Voice(settings.log)
    implementation = checks.check_host(settings)
    folder = Folder(settings.data)
    assert settings.host_name is not None
    with folder.locked():
        checks.check_address(settings)
        guidance = several.guidance(settings)
        unlocked = unlock(settings, folder, web_user(), secret.given(settings), make_secret=True)
        certificate_has_changed = changes(settings, folder)
        if unlocked.made is not None:
            running.tell_of_secret(voice, unlocked.made)
        operations.note(unlocked.store, trail.STARTED, version=release.version(), host=settings.host_name)
        voice.tell("MeshWG starts", "Starting…", version=release.version())
        web.is_ready = running.web_readiness(settings)
        with (
            instance_locked(unlocked.instance.id),
            Handover.made(unlocked.secret, unlocked.vault.key) as handover,
            _Watch(settings.host_name, unlocked.store, guidance) as here,
        ):
            where = ", ".join(each.endpoint for each in here.shards) or "no address yet (`meshwg hub add` makes one)"
            announced = running.announcement(settings, folder, unlocked, where, implementation)
            hubs, children = _Hubs(environment, handover), [web]
            try:
                hubs.start_new(here.shards, children)
                web.start(running.START_DEADLINE)
                announced.tell(voice)
                watch(
                    children, signals, certificate_has_changed, meanwhile=lambda: hubs.start_new(here.shards, children)
                )
                voice.tell("MeshWG ends", "Stopping.")
            except NotStarted as error:
                raise CommandError(f"{error} Its log above says why.", Exit.UNAVAILABLE) from None
            finally:
                web.stop()
                _give_up([each for each in children if each is not web])
        unlocked.store.close()


def _give_up(hubs: Sequence[Child]) -> None:
    """End the hubs; each gives its shard to other hosts, and removes everything of it here."""
    for each in hubs:
        each.end(signal.SIGINT)
    for each in hubs:
        each.ends_within(_GIVING_UP_S)
        each.stop()
