"""Calls to the hub: taken, bounded, answered."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.hub.errors import Crowded, GivenUp, HubError, HubUnreachable, NotHere, Overtaken, RulesTooLarge
from appliance.hub.rpc import codec
from appliance.hub.rpc.callers import WaitingCaller
from appliance.hub.rpc.client import HubClient
from appliance.hub.rpc.messages import Apply, Confirm, Remove, RotateSecret, Status, TearDown, TimedCall
from appliance.hub.rpc.server import Server
from tests.appliance.hub.rpc.served import served
from tests.waiting import DEADLINE

ACME = "acmeacme22"


@pytest.fixture
def calls(tmp_path: Path) -> Iterator[list[Any]]:
    """Calls to a server on ``tmp_path / "sock"`` that allows this user."""
    with served(tmp_path) as made:
        yield made


def test_the_hub_s_own_user_may_make_every_call(calls: list[Any], tmp_path: Path) -> None:
    client = HubClient(tmp_path / "sock")
    client.status()
    client.rotate_secret("old", "new")
    client.tear_down()
    assert calls == [Status(), RotateSecret("old", "new"), TearDown()]


def test_a_failed_accept_doesn_t_stop_the_server(
    calls: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept = socket.socket.accept
    failed: list[socket.socket] = []

    def out_of_descriptors(listener: socket.socket) -> tuple[socket.socket, Any]:
        if len(failed) < 2:
            failed.append(listener)
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(listener)

    client = HubClient(tmp_path / "sock")
    client.status()
    monkeypatch.setattr(socket.socket, "accept", out_of_descriptors)
    # The first is accepted by the call that is under way.
    for _ in range(3):
        HubClient(tmp_path / "sock").status()
    assert len(failed) == 2
    assert calls == [Status()] * 4


def test_a_call_for_another_shard_is_refused(tmp_path: Path) -> None:
    with served(tmp_path, shard="shard1") as calls:
        with pytest.raises(NotHere, match="shard2"):
            HubClient(tmp_path / "sock", shard="shard2").status()
        assert calls == []
        for shard in ("shard1", None):
            HubClient(tmp_path / "sock", shard=shard).status()
        assert calls == [Status()] * 2


def test_a_call_that_timed_out_is_not_repeated(tmp_path: Path) -> None:
    received: list[Any] = []
    hub_may_answer = threading.Event()

    def answer(call: Any, _: WaitingCaller) -> None:
        received.append(call)
        if isinstance(call, Remove):
            hub_may_answer.wait(10.0)

    serving = Server(tmp_path / "sock", None, answer)
    thread = threading.Thread(target=serving.serve)
    thread.start()
    hub = HubClient(tmp_path / "sock", timeout_s=0.05)
    # Whoever asks again does so where a connection was kept. This call waits longer.
    hub.tear_down()
    with pytest.raises(HubUnreachable, match="did not answer in"):
        hub.remove(ACME)
    hub_may_answer.set()
    hub.tear_down()
    assert received == [TearDown(), Remove(ACME), TearDown()]
    serving.close()
    thread.join()


class Answering:
    """A server whose answers a test chooses."""

    def __init__(self, path: Path) -> None:
        self.calls: list[Any] = []
        self.callers: list[WaitingCaller] = []
        self.error: Exception | None = None
        self._server = Server(path, None, self._answer)
        self._thread = threading.Thread(target=self._server.serve)
        self._thread.start()

    def _answer(self, call: Any, caller: WaitingCaller) -> object:
        self.calls.append(call)
        self.callers.append(caller)
        if self.error is not None:
            raise self.error
        return None

    def close(self) -> None:
        self._server.close()
        self._thread.join()


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Answering]:
    made = Answering(tmp_path / "sock")
    yield made
    made.close()


def test_a_caller_notices_a_restarted_hub(answering: Answering, tmp_path: Path) -> None:
    client = HubClient(tmp_path / "sock")
    applied, confirmed = Apply(ACME, None, 1, 2), Confirm(ACME, 2)
    client.apply(ACME, None, base=1, revision=2)
    client.confirm(ACME, 2)
    assert answering.calls == [applied]
    # As when the process ends.
    assert answering.callers[0].connection is not None
    answering.callers[0].connection.shutdown(socket.SHUT_RDWR)
    client.confirm(ACME, 2)
    assert answering.calls == [applied, confirmed]
    # The connection is another one now, and what was applied was so on the one before.
    client.confirm(ACME, 2)
    assert answering.calls == [applied, confirmed, confirmed]


def test_the_hub_notices_a_caller_that_is_gone(answering: Answering, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(tmp_path / "sock"))
        codec.send(connection, TimedCall(Apply(ACME, None, 1, 2), patience_s=DEADLINE))
        assert codec.receive(connection) is not None
        (caller,) = answering.callers
        assert not caller.is_gone()
        caller.check_waiting()
    assert caller.is_gone()
    with pytest.raises(GivenUp, match="gone"):
        caller.check_waiting()


def test_the_hub_s_deadline_ends_before_the_caller_s(answering: Answering, tmp_path: Path) -> None:
    before, client = time.monotonic(), HubClient(tmp_path / "sock")
    client.apply(ACME, None, base=1, revision=2)
    (caller,) = answering.callers
    assert before + 50.0 < caller.until < time.monotonic() + 55.0
    with pytest.raises(GivenUp, match="time is over"):
        replace(caller, until=before).check_waiting()


def test_a_caller_is_looked_at_while_others_wait_for_it() -> None:
    """Gives the connection a timeout, as the thread does that is about to send the answer."""
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(DEADLINE)
        caller = WaitingCaller(here)
        assert not caller.is_gone()
        there.close()
        assert caller.is_gone()
        here.close()
        assert caller.is_gone()


@pytest.mark.parametrize(
    "error",
    [
        Overtaken("not at this revision"),
        Crowded("your share", retry_after=7),
        RulesTooLarge("too large"),
        NotHere("the hub is ending"),
    ],
)
def test_errors_of_the_hub_reach_the_caller_with_their_type(
    answering: Answering, tmp_path: Path, error: HubError
) -> None:
    answering.error = error
    with pytest.raises(type(error), match=str(error)) as raised:
        HubClient(tmp_path / "sock").apply(ACME, None, base=1, revision=2)
    assert getattr(raised.value, "retry_after", None) == getattr(error, "retry_after", None)
