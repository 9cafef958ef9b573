"""Long-lived objects are not collected again and again, and other garbage is still freed."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from appliance.hub.garbage import survivors_frozen
from tests.appliance.clocks import Clock

pytestmark = pytest.mark.long


class Knot:
    """A reference cycle, which only a collection frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def clock() -> Iterator[Clock[float]]:
    """Provides a clock of frozen survivors."""
    made = Clock(0.0)
    with survivors_frozen(made):
        yield made


@pytest.mark.usefixtures("clock")
def test_survivors_of_a_full_collection_are_frozen() -> None:
    before = gc.get_freeze_count()
    kept = [[number] for number in range(1000)]
    gc.collect()
    assert gc.get_freeze_count() >= before + len(kept)


@pytest.mark.usefixtures("clock")
def test_later_reference_cycles_are_still_freed() -> None:
    gc.collect()
    gone = weakref.ref(Knot())
    assert gone() is not None
    gc.collect()
    assert gone() is None


def test_everything_is_collected_once_an_hour(clock: Clock[float]) -> None:
    knot = Knot()
    gone = weakref.ref(knot)
    gc.collect()
    del knot
    gc.collect()
    assert gone() is not None
    clock.now = 3601.0
    # The one that finds it is time, and the one that follows.
    gc.collect()
    gc.collect()
    assert gone() is None
    kept = [[number] for number in range(1000)]
    before = gc.get_freeze_count()
    gc.collect()
    assert gc.get_freeze_count() > before
    assert len(kept) == 1000


def test_closing_leaves_nothing_frozen() -> None:
    with survivors_frozen():
        assert gc.get_freeze_count()
    assert gc.get_freeze_count() == 0
