"""A host learns soon whether it can read the store, also if that does not answer at all."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from appliance.cli import store_probe
from appliance.cli.store_probe import StoreProbe
from appliance.model.errors import Unavailable
from tests.appliance.clocks import Clock
from tests.waiting import DEADLINE, wait_until

_SHORT_S = 0.05


@dataclass
class MadeUpStore:
    """A store that is read, that refuses, or that leaves its reader waiting.

    Attributes:
        looks: number of looks so far.
        answers: set while it answers.
    """

    is_refused: bool = False
    looks: int = 0
    answers: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        self.looks += 1
        assert self.answers.wait(DEADLINE)
        if self.is_refused:
            raise Unavailable("The store can't be used for now.", retry_after=1)


@pytest.fixture
def store() -> MadeUpStore:
    """Provides a store that answers."""
    made = MadeUpStore()
    made.answers.set()
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock[float]:
    """Provides the clock of a probe."""
    made = Clock(1000.0)
    monkeypatch.setattr(store_probe, "boottime", made)
    return made


def test_each_look_at_a_store_that_answers_is_new(store: MadeUpStore) -> None:
    probe = StoreProbe(store.look, DEADLINE)
    assert probe.can_be_read()
    assert probe.can_be_read()
    assert store.looks == 2


def test_a_store_that_refuses_is_not_asked_again_at_once(store: MadeUpStore, clock: Clock[float]) -> None:
    probe = StoreProbe(store.look, DEADLINE)
    store.is_refused = True
    assert not probe.can_be_read()
    store.is_refused = False
    assert not probe.can_be_read()
    assert store.looks == 1
    clock.now += 1.0
    assert probe.can_be_read()


def test_a_store_that_does_not_answer_is_waited_for_once(store: MadeUpStore) -> None:
    probe = StoreProbe(store.look, _SHORT_S)
    store.answers.clear()
    assert not probe.can_be_read()
    assert not probe.can_be_read()
    assert store.looks == 1
    store.answers.set()
    # The late answer of the look in progress, or that of a new one.
    wait_until(probe.can_be_read)
