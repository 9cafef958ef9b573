"""Deletions that were cut off are finished beside the requests."""

from __future__ import annotations

from datetime import datetime

import pytest

from appliance.model.errors import NotEnforced
from appliance.service import Workplace, deletion
from appliance.web import cleanup


class Enough(BaseException):
    """The test has seen what it wanted."""


def test_what_was_in_the_way_once_is_tried_again(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = iter([NotEnforced("the hub is away"), ValueError("not foreseen"), None, Enough()])

    asked: list[datetime] = []

    def resume(_: Workplace, begun_until: datetime) -> None:
        asked.append(begun_until)
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome

    monkeypatch.setattr(deletion, "resume", resume)
    monkeypatch.setattr(cleanup, "_EVERY_S", 0.0)
    with pytest.raises(Enough):
        cleanup.keep_at_it(workplace)
    assert list(outcomes) == []
    assert asked[0] > max(asked[1:]), "what begins later is given its time"
