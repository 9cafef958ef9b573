"""Watching the mounts: a function is called after they have changed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from queue import Queue

import pytest
from structlog.testing import capture_logs

from appliance.hub.kernel import namespace
from appliance.hub.kernel.mounts import MountWatch
from tests.sandboxes import need_sandbox

_DEADLINE_S = 20.0


@pytest.fixture(autouse=True)
def _of_its_own() -> Iterator[None]:
    need_sandbox()
    yield
    namespace.remove("mounted")


def change() -> None:
    """Mounts a file system, or unmounts it again."""
    if namespace.exists("mounted"):
        namespace.remove("mounted")
    else:
        namespace.create("mounted")


def test_every_change_is_reported() -> None:
    reports: Queue[None] = Queue()
    with closing(MountWatch(lambda: reports.put(None))):
        for _ in range(3):
            change()
            reports.get(timeout=_DEADLINE_S)


def test_a_change_during_a_check_is_checked_afterwards() -> None:
    """Makes several changes, which together cause one more check."""
    looking, may_end, reports = threading.Event(), threading.Event(), Queue[None]()

    def look() -> None:
        looking.set()
        may_end.wait(_DEADLINE_S)
        reports.put(None)

    with closing(MountWatch(look)):
        change()
        assert looking.wait(_DEADLINE_S)
        # Few: the watch rests thirty times as long as this takes.
        for _ in range(3):
            change()
        may_end.set()
        reports.get(timeout=_DEADLINE_S)
        reports.get(timeout=_DEADLINE_S)
    assert reports.empty()


def test_checks_go_on_after_a_failed_one() -> None:
    reports: Queue[None] = Queue()

    def look() -> None:
        reports.put(None)
        raise LookupError("unforeseen")

    with capture_logs() as logs, closing(MountWatch(look)):
        for _ in range(2):
            change()
            reports.get(timeout=_DEADLINE_S)
    assert [entry["log_level"] for entry in logs] == ["error", "error"]
