"""`deletions`: times and sizes of deleted organizations, without their names."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from appliance.cli.deletions import deletions
from appliance.store import deletions as store
from appliance.store.deletions import Tombstone
from tests.appliance.sites import make_data

BURIED = Tombstone(datetime(2026, 3, 1, 12, 0, 5, tzinfo=timezone.utc), "owner", {"machines": 3, "rules": 0})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Provides a data folder with one deletion in its store."""
    made = make_data(tmp_path)
    with made.write() as transaction:
        store.finish(transaction, BURIED)
    made.close()
    return tmp_path


def test_each_deletion_has_a_line_of_time_actor_and_numbers(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deletions(data=data)
    assert capsys.readouterr().out.splitlines() == [
        "2026-03-01 12:00:05 UTC  by owner: 3 machines",
        "1 organization deleted.",
    ]


def test_deletions_as_json_have_the_same_facts(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deletions(data=data, as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "deletions": [{"at": "2026-03-01T12:00:05Z", "actor": "owner", "removed": {"machines": 3, "rules": 0}}]
    }
