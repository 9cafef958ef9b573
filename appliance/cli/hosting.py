"""Run of one of many hosts by its supervisor: a process for each shard, and the web process."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from functools import partial

from appliance import release
from appliance.cli import checks, many_hubs, operations, running, secret
from appliance.cli.announcement import Voice
from appliance.cli.certificate import changes
from appliance.cli.child import Child, NotStarted
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder, instance_locked
from appliance.cli.handover import Handover
from appliance.cli.ownership import web_user
from appliance.cli.presence import Presence
from appliance.cli.settings import Settings
from appliance.cli.shard_process import VARIABLE
from appliance.cli.supervision import Signals, watch
from appliance.cli.unlocking import unlock
from appliance.host.clocks import Unhurried
from appliance.store import operations as command_log
from appliance.store.shards import Shard

# A hub that gives its shard up removes everything of it from the host.
_GIVING_UP_S = 120.0


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
            child = Child(
                "shard",
                {**self._environment, VARIABLE: shard.id},
                handed=self._handover.handed,
                # As soon as the shard is another host's.
                may_end=True,
            )
            # It may wait for its shard for as long as another host has it.
            child.is_ready = lambda: True
            child.start(running.START_DEADLINE)
            self._known.add(shard.id)
            children.append(child)


def run(settings: Settings, signals: Signals, clock: Unhurried, environment: Mapping[str, str], web: Child) -> None:
    """Run this host's part of the service until a signal, and then give its shards up.

    Args:
        clock: time for removals.
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
        # Before anything else, as a wrong identity is the operator's to mend.
        guidance = many_hubs.guidance(settings)
        unlocked = unlock(settings, folder, web_user(), secret.given(settings), make_secret=True)
        certificate_has_changed = changes(settings, folder)
        if unlocked.made is not None:
            running.tell_of_secret(voice, unlocked.made)
        operations.note(unlocked.store, command_log.STARTED, version=release.version(), host=settings.host_name)
        voice.tell("MeshWG starts", "Starting…", version=release.version())
        web.is_ready = running.web_readiness(settings)
        with (
            instance_locked(unlocked.instance.id),
            Handover.made(unlocked.secret, unlocked.vault.key) as handover,
            Presence(settings.host_name, unlocked.store, guidance, partial(many_hubs.guidance, settings)) as here,
        ):
            where = ", ".join(each.endpoint for each in here.shards) or "no address yet (`meshwg hub add` makes one)"
            announced = running.announcement(settings, folder, unlocked, where, implementation)
            hubs, children = _Hubs(environment, handover), [web]

            def meanwhile() -> None:
                clock.now()
                hubs.start_new(here.shards, children)

            try:
                hubs.start_new(here.shards, children)
                web.start(running.START_DEADLINE)
                announced.tell(voice)
                watch(children, signals, certificate_has_changed, meanwhile=meanwhile)
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
