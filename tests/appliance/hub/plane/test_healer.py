"""Threads of the healer never wait for a single organization."""

from __future__ import annotations

import itertools
import threading
import time
from queue import Queue

import pytest
from structlog.testing import capture_logs

from appliance.hub.errors import Occupied
from appliance.hub.kernel.events import NamespaceEvent
from appliance.hub.plane.healing import Healer
from appliance.hub.plane.note_rests import NoteRests
from tests.waiting import DEADLINE, wait_until


def test_an_organization_that_is_being_changed_is_checked_later() -> None:
    looks: Queue[str] = Queue()
    changed = threading.Event()

    def look(organization: str, _event: NamespaceEvent) -> None:
        if organization.startswith("busy") and not changed.is_set():
            raise Occupied("not now")
        looks.put(organization)

    healer = Healer(look, tuple, lambda _repair: None)
    healer.start()
    try:
        with capture_logs() as logs:
            for number in range(4):
                healer.notice(f"busy{number}", NamespaceEvent.RULES)
            for _ in range(3):
                healer.notice("other", NamespaceEvent.RULES)
                assert looks.get(timeout=DEADLINE) == "other"
            changed.set()
            assert {looks.get(timeout=DEADLINE) for _ in range(4)} == {f"busy{number}" for number in range(4)}
        assert logs == []
    finally:
        healer.stop()


def test_an_event_during_a_check_leads_to_another_check() -> None:
    looks: Queue[str] = Queue()
    noticed = threading.Event()

    def look(organization: str, _event: NamespaceEvent) -> None:
        looks.put(organization)
        assert noticed.wait(DEADLINE)

    healer = Healer(look, tuple, lambda _repair: None)
    healer.start()
    try:
        healer.notice("one", NamespaceEvent.RULES)
        assert looks.get(timeout=DEADLINE) == "one"
        healer.notice("one", NamespaceEvent.RULES)
        noticed.set()
        assert looks.get(timeout=DEADLINE) == "one"
    finally:
        healer.stop()


@pytest.mark.parametrize(
    "events",
    [
        (NamespaceEvent.MACHINES, NamespaceEvent.RULES),
        (NamespaceEvent.MACHINES, NamespaceEvent.ANYTHING),
        (NamespaceEvent.RULES, NamespaceEvent.MACHINES),
    ],
)
def test_a_machine_that_is_heard_beside_other_events_is_noted(events: tuple[NamespaceEvent, NamespaceEvent]) -> None:
    looks: Queue[NamespaceEvent] = Queue()
    healer = Healer(lambda _organization, event: looks.put(event), tuple, lambda _repair: None)
    for event in events:
        # An endpoint can be read a moment after the event.
        healer.notice("one", event, 0.05 if event is NamespaceEvent.MACHINES else 0.0)
    healer.start()
    try:
        looked = [looks.get(timeout=DEADLINE), looks.get(timeout=DEADLINE)]
        assert looked == sorted(events, key=lambda each: each is NamespaceEvent.MACHINES)
    finally:
        healer.stop()


@pytest.mark.parametrize(("rest_s", "work_s", "least_s"), [(0.3, 0.0, 0.3), (0.0, 0.05, 0.45)])
def test_a_flood_of_new_sources_has_its_machines_noted_seldom(rest_s: float, work_s: float, least_s: float) -> None:
    """Hears of a machine far more often than the delay: no noting is put off for ever, and each is rested from."""
    spans: list[tuple[float, float]] = []

    def look(_organization: str, _event: NamespaceEvent) -> None:
        began = time.monotonic()
        time.sleep(work_s)
        spans.append((began, time.monotonic()))

    def hear() -> bool:
        healer.notice("one", NamespaceEvent.MACHINES, 0.05)
        return len(spans) >= 3

    healer = Healer(look, tuple, lambda _repair: None, note_rests=NoteRests(rest_s, rest_s))
    healer.start()
    try:
        wait_until(hear)
    finally:
        healer.stop()
    assert min(after[0] - before[1] for before, after in itertools.pairwise(spans)) >= least_s


def test_other_checks_do_not_rest_from_noting_machines() -> None:
    looks: Queue[tuple[str, NamespaceEvent]] = Queue()
    healer = Healer(
        lambda *each: looks.put(each), tuple, lambda _repair: None, note_rests=NoteRests(2 * DEADLINE, 2 * DEADLINE)
    )
    healer.start()
    try:
        for event in (NamespaceEvent.MACHINES, NamespaceEvent.RULES, NamespaceEvent.ANYTHING):
            healer.notice("one", event)
            assert looks.get(timeout=DEADLINE) == ("one", event)
        later = [("one", NamespaceEvent.MACHINES), ("one", NamespaceEvent.RULES), ("other", NamespaceEvent.MACHINES)]
        for each in later:
            healer.notice(*each)
        assert {looks.get(timeout=DEADLINE) for _ in range(2)} == set(later[1:])
    finally:
        healer.stop()


def test_a_machine_heard_too_late_for_a_noting_gets_another() -> None:
    """Hears of a machine before the noting of an earlier one begins, and of another while it goes on."""
    looks: Queue[float] = Queue()
    goes_on = threading.Event()

    def look(_organization: str, _event: NamespaceEvent) -> None:
        looks.put(time.monotonic())
        assert goes_on.wait(DEADLINE)

    healer = Healer(look, tuple, lambda _repair: None, note_rests=NoteRests(0.0, 0.0))
    healer.notice("one", NamespaceEvent.MACHINES)
    visible = time.monotonic() + 0.2
    healer.notice("one", NamespaceEvent.MACHINES, 0.2)
    healer.start()
    try:
        goes_on.set()
        # One is enough if this machine is slow.
        if looks.get(timeout=DEADLINE) < visible:
            assert looks.get(timeout=DEADLINE) >= visible
        goes_on.clear()
        healer.notice("one", NamespaceEvent.MACHINES)
        looks.get(timeout=DEADLINE)
        healer.notice("one", NamespaceEvent.MACHINES)
        goes_on.set()
        looks.get(timeout=DEADLINE)
    finally:
        goes_on.set()
        healer.stop()


def test_a_noting_that_has_to_wait_for_a_change_takes_no_rest() -> None:
    looks: Queue[bool] = Queue()
    changed = threading.Event()

    def look(_organization: str, _event: NamespaceEvent) -> None:
        looks.put(changed.is_set())
        if not changed.is_set():
            raise Occupied("not now")

    healer = Healer(look, tuple, lambda _repair: None, note_rests=NoteRests(2 * DEADLINE, 2 * DEADLINE))
    healer.start()
    try:
        healer.notice("one", NamespaceEvent.MACHINES)
        assert not looks.get(timeout=DEADLINE)
        changed.set()
        while not looks.get(timeout=DEADLINE):
            pass
    finally:
        healer.stop()


def test_healing_goes_on_after_an_unexpected_error() -> None:
    looks: Queue[str] = Queue()

    def look(organization: str, _event: NamespaceEvent) -> None:
        looks.put(organization)
        if organization == "odd":
            raise ValueError("not foreseen")

    healer = Healer(look, tuple, lambda _repair: None)
    healer.start()
    try:
        # More often than there are threads that look.
        for _ in range(20):
            healer.notice("odd", NamespaceEvent.ANYTHING)
            healer.notice("other", NamespaceEvent.ANYTHING)
            while looks.get(timeout=DEADLINE) != "other":
                pass
    finally:
        healer.stop()
