"""`up` waits for the data plane as long as it makes progress, unless it is stopped."""

from __future__ import annotations

import threading
from typing import cast

import pytest

from appliance.cli import running
from appliance.cli.child import Child, NotStarted
from appliance.cli.supervision import Signals
from appliance.hub.errors import HubError
from appliance.hub.rpc.client import HubClient
from appliance.hub.rpc.messages import HubStatus
from tests.appliance.clocks import ModuleTime


class MadeUpHub:
    """Fake of child and client, whose checks return these statuses one by one, then the last one for ever."""

    def __init__(self, *statuses: HubStatus | HubError, ends: bool = False) -> None:
        self._statuses, self._ends = list(statuses), ends

    def check(self) -> None:
        if self._ends:
            raise NotStarted("The hub process ended with code 1.")

    def status(self) -> HubStatus:
        found = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        if isinstance(found, HubError):
            raise found
        return found


def with_enforced(count: int, *, restored: bool = False) -> HubStatus:
    return HubStatus("none", "1", count, 100, restored=restored)


def wait(hub: MadeUpHub, signals: Signals | None = None, patience_s: float = 10.0) -> bool:
    return running.wait_until_restored(cast(Child, hub), cast(HubClient, hub), signals or Signals(), patience_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ModuleTime:
    made = ModuleTime()
    monkeypatch.setattr(running, "time", made)
    return made


def test_up_waits_until_all_is_restored() -> None:
    assert wait(MadeUpHub(HubError("not yet"), with_enforced(5), with_enforced(100, restored=True)))


def test_a_hub_with_progress_is_waited_for(clock: ModuleTime) -> None:
    start = clock.now
    hub = MadeUpHub(*(with_enforced(count) for count in range(50)), with_enforced(50, restored=True))
    assert wait(hub, patience_s=0.1)
    assert clock.now - start > 0.3


def test_a_hub_without_progress_is_given_up(clock: ModuleTime) -> None:
    start = clock.now
    with pytest.raises(NotStarted, match="no more organization was enforced than 7"):
        wait(MadeUpHub(with_enforced(7)), patience_s=0.1)
    assert 0.1 < clock.now - start < 0.15


def test_a_hub_that_ended_is_noticed_at_once() -> None:
    with pytest.raises(NotStarted, match="ended with code 1"):
        wait(MadeUpHub(with_enforced(7), ends=True))


def test_a_request_to_stop_ends_the_wait() -> None:
    signals = Signals()
    threading.Timer(0.05, lambda: setattr(signals, "stopped", True)).start()
    assert not wait(MadeUpHub(with_enforced(7)), signals)
