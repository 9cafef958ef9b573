"""A hub serves until it is asked to end, and ends for good when something fails that nobody foresaw."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.hub import service
from appliance.hub.errors import HubError
from appliance.hub.front_door import FrontDoor
from appliance.hub.names import Names
from appliance.hub.rpc.server import Server
from appliance.hub.service import Hub
from appliance.model.errors import Unavailable
from appliance.store import Store
from tests.appliance.hub.standins import NO_BACKEND
from tests.appliance.sealed import OLD, opens

_AWAY = Unavailable("The store can't be used for now.", retry_after=1)


@pytest.fixture
def hub(sealed: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """Provides a hub whose front door stays closed."""
    monkeypatch.setattr(sys, "setswitchinterval", lambda _: None)
    names = Names("abc")
    made = Hub(names, NO_BACKEND, FrontDoor(names, 51820), sealed, opens(sealed, OLD), tmp_path / "rules")
    monkeypatch.setattr(made.upkeep, "open", lambda: None)
    return made


def test_a_failure_at_the_beginning_leaves_no_thread(hub: Hub, tmp_path: Path) -> None:
    """Has a hub fail when its calls are answered already: a thread that waits for calls would keep the process."""

    def fail(_: Server) -> None:
        raise HubError("the gate can't be opened")

    with pytest.raises(HubError, match="the gate"):
        service.serve(hub, tmp_path / "run" / "hub.sock", None, fail)
    assert "hub-accept" not in {each.name for each in threading.enumerate()}
    assert not (tmp_path / "run").exists()


def test_restoring_is_tried_until_the_store_answers(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the store be away at the first try of each step; the hub ends when both are done."""
    main, steps, failures = threading.get_ident(), list[str](), [_AWAY, HubError("refused")]

    def step(name: str, after: Callable[[], None]) -> Callable[[], None]:
        def work() -> None:
            steps.append(name)
            if steps.count(name) == 1:
                raise failures.pop(0)
            after()

        return work

    def end() -> None:
        # Only this thread has it blocked.
        signal.pthread_kill(main, signal.SIGTERM)

    monkeypatch.setattr(hub.upkeep, "restore", step("restore", end))
    came = list[int]()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        before = step("before", lambda: None)
        service.serve(hub, tmp_path / "hub.sock", None, lambda _: None, came.append, before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    assert came == [signal.SIGTERM]
    assert steps == ["before", "before", "restore", "restore"]
