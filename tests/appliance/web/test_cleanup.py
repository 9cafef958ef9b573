"""Work beside the requests: what was interrupted is finished or forgotten, and what runs is left alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest
from structlog.testing import capture_logs

from appliance import libc
from appliance.model.addresses import DEFAULT_NETWORK
from appliance.model.errors import NotEnforced, Unavailable
from appliance.model.ids import new_organization_id
from appliance.model.organization import Organization, Plan
from appliance.service import (
    Context,
    accounts,
    decided_packets,
    deletion,
    factor_removals,
    oversight,
    policy_history,
    repeats,
    setbacks,
    trails,
    unused,
)
from appliance.store import organizations
from appliance.web import cleanup
from tests.appliance.fakes import FakeHub


class Enough(BaseException):
    """Ends the endless loop."""


def test_failed_work_is_tried_again(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = iter([NotEnforced("the hub is away"), ValueError("not foreseen"), None, Enough()])

    asked: list[datetime] = []

    def resume(_: Context, begun_until: datetime) -> None:
        asked.append(begun_until)
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome

    monkeypatch.setattr(deletion, "resume", resume)
    with capture_logs() as logged, pytest.raises(Enough):
        cleanup.keep_at_it(context, context.clock(), every_s=0.0)
    assert list(outcomes) == []
    assert [(each["log_level"], each["exc_info"]) for each in logged] == [("error", False), ("error", True)]
    assert asked[0] > max(asked[1:]), "what begins later is given its time"


PARTS = (
    (accounts, "forget_unfinished"),
    (deletion, "resume"),
    (unused, "remove"),
    (trails, "tidy"),
    (oversight, "tidy_log"),
    (policy_history, "tidy"),
    (repeats, "tidy"),
    (decided_packets, "note"),
    (factor_removals, "finish_due"),
    (factor_removals, "forget_letters"),
)


def test_a_round_does_every_part_also_when_all_fail(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def fail(name: str, *_: object) -> None:
        done.append(name)
        raise NotEnforced("the hub is away")

    names = [f"{module.__name__}.{name}" for module, name in PARTS]
    for (module, name), full in zip(PARTS, names, strict=True):
        monkeypatch.setattr(module, name, partial(fail, full))
    cleanup.clean_up(context, context.clock())
    assert done == names


def test_each_round_gives_free_memory_back(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = iter([None, Enough()])

    def malloc_trim() -> None:
        outcome = next(rounds)
        if outcome is not None:
            raise outcome

    monkeypatch.setattr(libc, "malloc_trim", malloc_trim)
    with pytest.raises(Enough):
        cleanup.keep_at_it(context, context.clock(), every_s=0.0)
    assert list(rounds) == []


def test_only_earlier_sign_ups_are_forgotten_at_the_start(
    context: Context, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signs up while the first round begins: what an earlier process left goes, and what this one works at stays."""
    before = context.clock()
    first, second = (begin_sign_up(context, hub, before + timedelta(seconds=each)) for each in (-1, 1))

    def end(*_: object) -> None:
        raise Enough

    monkeypatch.setattr(deletion, "resume", end)
    with pytest.raises(Enough):
        cleanup.keep_at_it(replace(context, clock=lambda: before + timedelta(seconds=2)), before)
    with context.store.read() as transaction:
        assert list(organizations.unfinished(transaction, before + timedelta(hours=1))) == [second], first


def begin_sign_up(context: Context, hub: FakeHub, at: datetime) -> str:
    """Stores an organization whose data plane is still made; returns its id."""
    name = new_organization_id()
    keys = hub.create_keys(name)
    with context.store.write() as transaction:
        (port,) = organizations.free_ports(transaction, 1)
        new = Organization(name, name, DEFAULT_NETWORK, port, keys.public_key, Plan.FREE, 1, 0, at)
        organizations.create(transaction, new, keys)
    return name


def test_a_set_clock_is_noticed_also_after_a_failure(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    back = iter([0, 0, 0, 3600, 3600, 3600, 3600])
    now, looks = context.clock, []

    def clock() -> datetime:
        try:
            looks.append(next(back))
        except StopIteration:
            raise Enough from None
        return now() - timedelta(seconds=looks[-1])

    outcomes = iter([None, Unavailable("the store is away", retry_after=1), None])
    settled: list[int] = []

    def settle(_: Context) -> None:
        settled.append(len(looks))
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome

    monkeypatch.setattr(setbacks, "settle", settle)
    with pytest.raises(Enough):
        cleanup.watch_clock(replace(context, clock=clock), pause_s=0.0, again_s=0.0)
    assert settled == [1, 4, 5]
