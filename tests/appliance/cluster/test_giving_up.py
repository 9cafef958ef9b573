"""An owner that gives its shard up takes no change any more, however long its process lives on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from appliance.hub.plane.upkeep import Upkeep
from appliance.model.errors import NotEnforced, Unavailable
from appliance.model.policy import Action, Policy, Rule
from appliance.service import Actor, Context, policy
from tests.appliance.cluster.hub_hosts import Break
from tests.appliance.cluster.three_hubs import BETA, World
from tests.appliance.databases import on_postgresql
from tests.appliance.sealed import ACME
from tests.waiting import DEADLINE, wait_until

pytestmark = pytest.mark.full

_FIRST_PORT = 20_000
_SEVERAL = 20


@dataclass
class Saver:
    """Saves without a pause, in one thread with one connection to each hub.

    Attributes:
        context: of a web process, which knows the owner from its first save on.
        answered: policies whose saves were answered as done, in order.
        refusals: of the others.
    """

    three: World
    context: Context
    answered: list[Policy] = field(default_factory=list)
    refusals: list[NotEnforced | Unavailable] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: self.three.web.in_network(self._work), name="saver")

    def start(self) -> None:
        """Begins to save."""
        self._thread.start()

    def end(self) -> None:
        """Saves no more."""
        self._ended.set()
        self._thread.join()

    def await_save(self) -> None:
        """Waits until another save is answered as done."""
        count = len(self.answered)
        wait_until(lambda: len(self.answered) > count, self.three.logs)

    def await_refusals(self) -> None:
        """Waits until several more saves are refused."""
        count = len(self.refusals)
        wait_until(lambda: len(self.refusals) > count + _SEVERAL, self.three.logs)

    def counted(self) -> set[str | None]:
        """Asks the owner which rules it counts: those in force, and those that were until a moment ago."""
        return {each.rule for each in self.three.web.in_network(lambda: self.context.hub.counters(ACME))}

    def _work(self) -> None:
        number = 0
        while not self._ended.is_set():
            number += 1
            wanted = Policy(Action.DENY, (_rule(number),))
            try:
                policy.save(self.context, Actor.operator(ACME), wanted)
            except (NotEnforced, Unavailable) as refusal:
                self.refusals.append(refusal)
            else:
                self.answered.append(wanted)


def _rule(number: int) -> Rule:
    """Makes a rule that no other save has."""
    one, other = "machine:machine2xyz", "machine:machine3xyz"
    ports = str(_FIRST_PORT + number)
    return Rule.parse(action="allow", source=one, destination=other, protocol="tcp", ports=ports)


@contextmanager
def saving(three: World) -> Iterator[Saver]:
    """Saves while the block runs, which begins after the first save."""
    made = Saver(three, three.context())
    made.start()
    try:
        made.await_save()
        yield made
    finally:
        made.end()


def ends_late(goes_on: Path) -> Break:
    """Has a hub's process live on, with everything of its shard removed, until a file is there."""

    def harm() -> None:
        close = Upkeep.close

        def close_late(upkeep: Upkeep) -> None:
            wait_until(goes_on.exists)
            close(upkeep)

        pytest.MonkeyPatch().setattr(Upkeep, "close", close_late)

    return harm


@on_postgresql
def test_nothing_is_built_again_by_an_owner_that_gives_up(three: World, tmp_path: Path) -> None:
    first, second, _ = three.hubs
    goes_on = tmp_path / "goes-on"
    three.start(first, ends_late(goes_on))
    assert three.owner() is first
    with saving(three) as saver:
        first.processes[-1].signal(signal.SIGINT)
        wait_until(lambda: not first.has(ACME) and not first.has(BETA), three.logs)
        # Its process is there, and its conversation with the saver goes on.
        saver.await_refusals()
        three.start(second)
        assert three.owner(after=first) is second
        saver.await_save()
        goes_on.touch()
        first.processes[-1].wait(DEADLINE)
        saver.await_save()
    assert first.host.run("ip", "netns").stdout == ""
    assert all(each.retry_after for each in saver.refusals)
    stored = three.stored()
    assert stored == saver.answered[-1]
    assert {each.id for each in stored.rules} <= saver.counted()
