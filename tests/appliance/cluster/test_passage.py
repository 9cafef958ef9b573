"""A shard's address is here for as long as its gate lets packets through, and not for longer."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from appliance.cluster.addresses import AddressUnavailable
from appliance.cluster.passage import Passage
from tests.appliance.clocks import ModuleTime

_TRUSTED_S = 1.7


@dataclass
class MadeUpGate:
    """A gate that does nothing, but takes its time.

    Attributes:
        takes: seconds that `accept` takes.
    """

    clock: ModuleTime
    takes: float = 0.0
    is_open: bool = False

    def offer(self, seconds: float) -> None: ...

    def accept(self) -> None:
        self.clock.sleep(self.takes)
        self.is_open = True

    def shut(self) -> None:
        self.is_open = False


@dataclass
class MadeUpAddress:
    """An address that notes for how long it was taken.

    Attributes:
        takes: seconds that `take` takes.
        taken: seconds of each call.
        dropped: for each drop, whether the address was this host's still.
        is_refused: True to refuse both calls.
    """

    clock: ModuleTime
    takes: float = 0.0
    taken: list[float] = field(default_factory=list)
    dropped: list[bool] = field(default_factory=list)
    is_here: bool = False
    is_refused: bool = False

    def take(self, seconds: float) -> None:
        self._answer()
        self.clock.sleep(self.takes)
        self.taken.append(seconds)
        self.is_here = True

    def drop(self, *, is_ours: bool = True) -> None:
        self._answer()
        self.dropped.append(is_ours)
        self.is_here = False

    def _answer(self) -> None:
        if self.is_refused:
            raise AddressUnavailable("refused")


@dataclass
class World:
    """A passage, and what it is made of."""

    clock: ModuleTime = field(default_factory=ModuleTime)

    def __post_init__(self) -> None:
        self.gate, self.address = MadeUpGate(self.clock), MadeUpAddress(self.clock)
        self.passage = Passage(self.gate, self.address, self.clock.monotonic)

    def renew(self, takes: float) -> None:
        """Renews the lease, which takes this many seconds."""
        self.passage.offer(_TRUSTED_S)
        self.clock.sleep(takes)
        self.passage.accept()


def test_an_address_is_taken_for_what_is_left_of_the_lease() -> None:
    world = World()
    began = world.clock.now
    world.renew(0.5)
    assert world.address.taken == [pytest.approx(_TRUSTED_S - 0.5)]
    assert world.passage.renewed == began
    world.passage.shut()
    assert (world.gate.is_open, world.address.is_here) == (False, False)
    assert world.address.dropped == [True]


def test_an_address_is_no_longer_ours_after_the_lease() -> None:
    """Shuts the passage when a renewal was offered that nobody answered, and again when the shard is lost."""
    world = World()
    world.renew(0.1)
    world.clock.sleep(_TRUSTED_S)
    world.passage.offer(_TRUSTED_S)
    world.passage.shut()
    world.clock.sleep(3600)
    world.passage.shut()
    assert world.address.dropped == [False, False]


def test_a_hub_that_was_stopped_takes_no_address() -> None:
    world = World()
    world.gate.takes = 5.0
    world.renew(0.1)
    assert world.address.taken == []


def test_a_hub_stopped_while_it_took_it_gives_it_up() -> None:
    world = World()
    world.address.takes = 5.0
    world.renew(0.1)
    assert not world.address.is_here
    assert world.address.dropped == [False]


def test_an_address_that_is_refused_is_asked_for_again() -> None:
    world = World()
    world.address.is_refused = True
    world.renew(0.1)
    world.passage.shut()
    world.address.is_refused = False
    world.renew(0.1)
    assert world.address.is_here
