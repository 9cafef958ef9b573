"""Threads of the healer never wait for a single organization."""

from __future__ import annotations

import threading
from queue import Queue

import pytest
from structlog.testing import capture_logs

from appliance.hub.errors import Occupied
from appliance.hub.kernel.events import NamespaceEvent
from appliance.hub.plane.healing import Healer
from tests.waiting import DEADLINE


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
