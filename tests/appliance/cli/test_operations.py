"""`operations`: records of operators' commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.cli.operations import note, operations
from appliance.store import Store
from appliance.store import operations as command_log
from tests.appliance.sites import make_data


@pytest.fixture
def made(tmp_path: Path) -> Store:
    return make_data(tmp_path)


def test_a_command_is_recorded_with_its_user_newest_first(
    made: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    note(made, command_log.STARTED, version="1.0")
    monkeypatch.setenv("SUDO_USER", "asha")
    note(made, command_log.BACKED_UP)
    operations(data=tmp_path)
    newest, oldest = capsys.readouterr().out.splitlines()
    assert "asha" in newest
    assert newest.endswith("backup.written")
    assert "root" in oldest
    assert oldest.endswith("service.started: version 1.0")


def test_operations_as_json_are_bounded_in_number(
    made: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        note(made, command_log.ORPHANS_REMOVED, count=number)
    operations(data=tmp_path, as_json=True, limit=2)
    listed = json.loads(capsys.readouterr().out)["operations"]
    assert [each["detail"] for each in listed] == [{"count": 2}, {"count": 1}]
    assert {each["action"] for each in listed} == {"orphans.removed"}
