"""The web process before its turn."""

from __future__ import annotations

import pytest

from appliance.cli import web
from appliance.web import pages


def test_pages_are_read_before_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def end() -> None:
        done.append("turn")
        raise SystemExit

    monkeypatch.setattr(pages, "loaded", lambda: done.append("pages"))
    monkeypatch.setattr(web, "wait_for_turn", end)
    with pytest.raises(SystemExit):
        web.web()
    assert done == ["pages", "turn"]
