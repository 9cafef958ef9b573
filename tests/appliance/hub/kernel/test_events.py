"""Events of transactions: those of others are reported, and those of the hub itself are not."""

from __future__ import annotations

import itertools
import queue
from collections.abc import Iterator
from contextlib import closing

import pytest

from appliance.hub.kernel import generation, namespace
from appliance.hub.kernel.events import NamespaceEvent, Watcher
from appliance.hub.kernel.nft import Rulesets
from appliance.hub.kernel.sockets import NetfilterSockets
from tests.waiting import DEADLINE

OWNER, OTHER = "mwtestevents", "mwtestother"


class Watched:
    """Two watched namespaces, each the owner of its name, whose events wait in a queue."""

    def __init__(self) -> None:
        self._events: queue.Queue[tuple[str, NamespaceEvent]] = queue.Queue()
        self.watcher = Watcher(lambda owner, event: self._events.put((owner, event)))
        self._rulesets, self._sockets = Rulesets(), NetfilterSockets()
        self._numbers = itertools.count()
        for name in (OWNER, OTHER):
            namespace.create(name)
            self.watcher.watch(name, name, None)
        self.change()
        self.expect_event()

    def change(self, name: str = OWNER) -> None:
        """Makes a transaction, which changes something."""
        self._rulesets.load(name, f"add table inet t{next(self._numbers)}")

    def generation(self) -> int:
        """Reads the number of transactions so far."""
        return generation.current(self._sockets, OWNER)

    def expect_event(self, owner: str = OWNER) -> None:
        """Waits for the next event, which is this owner's."""
        assert self._events.get(timeout=DEADLINE) == (owner, NamespaceEvent.RULES)

    def expect_silence(self) -> None:
        """Shows that there was no event, as one in the other namespace comes next."""
        self.change(OTHER)
        self.expect_event(OTHER)

    def close(self) -> None:
        """Ends the watch, and removes the namespaces."""
        self.watcher.close()
        for name in (OWNER, OTHER):
            self._rulesets.forget(name)
            self._sockets.forget(name)
            namespace.remove(name)


@pytest.fixture
def watched() -> Iterator[Watched]:
    """Two watched namespaces."""
    with closing(Watched()) as made:
        yield made


def test_an_own_transaction_causes_no_event(watched: Watched) -> None:
    with watched.watcher.own_change(OWNER) as discard_events:
        watched.change()
        discard_events()
    watched.expect_silence()
    watched.change()
    watched.expect_event()
    watched.expect_silence()


def test_others_transactions_in_an_own_change_show(watched: Watched) -> None:
    """Makes somebody else's transaction before and after the events are discarded."""
    before = watched.generation()
    with watched.watcher.own_change(OWNER) as discard_events:
        watched.change()
        watched.change()
        discard_events()
        assert watched.generation() == before + 2, "one more than the own"
    watched.expect_silence()
    with watched.watcher.own_change(OWNER) as discard_events:
        watched.change()
        discard_events()
        watched.change()
    watched.expect_event()


def test_an_own_change_that_fails_causes_an_event(watched: Watched) -> None:
    def fail() -> None:
        with watched.watcher.own_change(OWNER) as discard_events:
            watched.change()
            discard_events()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    watched.expect_event()
    watched.expect_silence()


def test_an_own_change_may_outlast_the_watch(watched: Watched) -> None:
    """Forgets the namespace within a change, as a hub does that ends; other files may have its descriptors then."""
    with watched.watcher.own_change(OWNER) as discard_events:
        watched.watcher.forget(OWNER)
        watched.change()
        discard_events()
    with watched.watcher.own_change(OWNER) as discard_events:
        watched.change()
        discard_events()
    watched.expect_silence()
    watched.watcher.watch(OWNER, OWNER, None)
    watched.change()
    watched.expect_event()
