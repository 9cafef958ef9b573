"""Answers while the store can't be used, on pages and in the API, with Retry-After."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bottle
import pytest
from structlog.testing import capture_logs

from appliance.store import Store
from appliance.web.request import COOKIE
from tests.appliance.web.client import call


@pytest.fixture
def gone(token: str, store: Store, tmp_path: Path) -> Iterator[str]:
    """Provides the token of an owner whose store is gone until the test ends."""
    store.close()
    away = tmp_path / "away"
    away.mkdir()
    for file in list(tmp_path.glob("store.sqlite*")):
        file.rename(away / file.name)
    (tmp_path / "store.sqlite").mkdir()
    yield token
    (tmp_path / "store.sqlite").rmdir()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unavailable_store_gives_programs_a_problem_document(app: bottle.Bottle, gone: str, method: str) -> None:
    answer = call(app, method, "/api/v1/machines", {"name": "mumbai"} if method == "POST" else None, token=gone)
    assert (answer.status, answer.headers["Content-Type"]) == (503, "application/problem+json")
    assert answer.json["type"] == "urn:meshwg:problem:unavailable"
    assert int(answer.headers["Retry-After"]) > 0
    assert "sqlite" not in answer.data.decode()


def test_few_lines_tell_that_the_store_is_unavailable(app: bottle.Bottle, gone: str) -> None:
    """Asks as often as strangers can, at many paths."""
    with capture_logs() as logs:
        for number in range(100):
            assert call(app, "GET", f"/api/v1/machines/{number}", token=gone).status == 503
    assert 0 < len(logs) <= 30
    assert {each["event"] for each in logs} == {"the store can't be used"}


def test_an_unavailable_store_gives_people_a_page(app: bottle.Bottle, gone: str) -> None:
    answer = call(app, "GET", "/machines", headers={"Cookie": f"{COOKIE}={gone}"})
    assert answer.status == 503
    assert answer.headers["Content-Type"].startswith("text/html")
    assert int(answer.headers["Retry-After"]) > 0
    assert "nothing was changed" in answer.data.decode()


def test_requests_succeed_once_the_store_is_back(app: bottle.Bottle, token: str, store: Store, tmp_path: Path) -> None:
    store.close()
    (tmp_path / "store.sqlite").rename(tmp_path / "away")
    (tmp_path / "store.sqlite").mkdir()
    assert call(app, "GET", "/api/v1/machines", token=token).status == 503
    (tmp_path / "store.sqlite").rmdir()
    (tmp_path / "away").rename(tmp_path / "store.sqlite")
    assert call(app, "GET", "/api/v1/machines", token=token).status == 200
