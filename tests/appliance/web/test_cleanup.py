"""Interrupted deletions are finished beside the requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from appliance.model.errors import NotEnforced, Unavailable
from appliance.service import Context, deletion, setbacks
from appliance.web import cleanup


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
    with pytest.raises(Enough):
        cleanup.keep_at_it(context, every_s=0.0)
    assert list(outcomes) == []
    assert asked[0] > max(asked[1:]), "what begins later is given its time"


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
