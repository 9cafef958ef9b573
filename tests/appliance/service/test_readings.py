"""Callers share readings of the data plane."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from appliance.model.desired import PeerStatus, RuleCount
from appliance.model.organization import Role
from appliance.service import Actor, Context, observed, policy
from appliance.service.machine_bounds import MOST_MACHINES
from appliance.service.policy_saves import MOST_RULES
from appliance.service.readings import MOST_ENTRIES, Readings
from tests.appliance.fakes import FakeHub


@dataclass
class Source:
    """Takes the given number of seconds to read, and returns another number each time."""

    seconds: float
    now: float = 100.0
    reads: list[float] = field(default_factory=list)

    def __call__(self) -> int:
        self.now += self.seconds
        self.reads.append(self.now)
        return len(self.reads)


def test_a_reading_is_shared_for_three_times_its_duration() -> None:
    source = Source(2.0)
    readings: Readings[int] = Readings(clock=lambda: source.now)
    assert readings.get("a", source).value == 1
    source.now += 5.9
    assert readings.get("a", source).value == 1
    source.now += 0.2
    assert readings.get("a", source).value == 2
    assert readings.get("b", source).value == 3


def test_many_callers_keep_the_source_busy_for_a_quarter_at_most() -> None:
    source = Source(0.5)
    readings: Readings[int] = Readings(clock=lambda: source.now)
    start = source.now
    while source.now < start + 1000:
        readings.get("a", source)
        source.now += 0.01
    assert len(source.reads) * 0.5 <= 0.26 * (source.now - start)


def test_a_change_drops_earlier_readings() -> None:
    source = Source(2.0)
    readings: Readings[int] = Readings(clock=lambda: source.now)
    readings.get("a", source)
    readings.forget("a")
    assert readings.get("a", source).value == 2

    def changed_meanwhile() -> int:
        readings.forget("a")
        return source()

    source.now += 100
    assert readings.get("a", changed_meanwhile).value == 3
    assert readings.get("a", source).value == 4


def test_simultaneous_callers_share_one_reading_or_its_error() -> None:
    readings: Readings[int] = Readings()
    started, go = threading.Event(), threading.Event()
    reads: list[int] = []

    def read() -> int:
        reads.append(1)
        started.set()
        go.wait(10)
        raise LookupError

    failed: list[LookupError] = []

    def ask() -> None:
        try:
            readings.get("a", read)
        except LookupError as error:
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    threads[0].start()
    started.wait(10)
    for thread in threads[1:]:
        thread.start()
    go.set()
    for thread in threads:
        thread.join()
    assert len(failed) == 8
    with pytest.raises(LookupError):
        readings.get("a", read)


def test_the_readings_that_are_kept_are_bounded() -> None:
    source = Source(2.0)
    readings: Readings[int] = Readings(most=2, clock=lambda: source.now)
    for organization in "abcb":
        readings.get(organization, source)
    assert len(source.reads) == 3
    readings.get("a", source)
    assert len(source.reads) == 4


def test_readings_of_large_organizations_fill_no_memory(context: Context, hub: FakeHub) -> None:
    """Looks at machines and counters of fifty organizations that have as many as possible."""
    hub.statuses = [PeerStatus(f"{at:043}=", 0, 0, 0, "") for at in range(MOST_MACHINES)]
    hub.counts = [RuleCount(f"r{at}", 0, 0) for at in range(MOST_RULES)]
    for number in range(50):
        actor = Actor(f"hostile{number}", "", "", Role.OWNER)
        assert len(observed.statuses(context, actor)) == MOST_MACHINES
        assert len(policy.counters(context, actor).value) == MOST_RULES
    assert 0 < context.statuses.entries <= MOST_ENTRIES
    assert 0 < context.counts.entries <= MOST_ENTRIES
