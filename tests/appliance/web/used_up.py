"""Limits that are used up, for tests of what callers are told then."""

from __future__ import annotations

import pytest

from appliance.model.errors import TooMany
from appliance.web.limits import RateLimits


def use_up(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """Lets one limit refuse everything, and names a wait of seven seconds."""

    def refuse(*_: object, **__: object) -> None:
        raise TooMany("Too many of these. Try again soon.", retry_after=7)

    monkeypatch.setattr(RateLimits, limit, refuse)
