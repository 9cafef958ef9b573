"""The list of organizations fits terminals of any width, complete."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from appliance.cli import admin
from appliance.model.organization import Plan
from appliance.store.overview import OrganizationSummary

_NAMES = ("acme", "मुंबई नेटवर्क", "a very long name " * 10)


@pytest.mark.parametrize("columns", [40, 80, 120, 400])
def test_the_list_has_every_organization_with_all_its_facts(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at = datetime(2026, 3, 1, 12, 30, tzinfo=timezone.utc)
    lines = [OrganizationSummary(f"id{number}", name, Plan.PAID, 17, 3, at, at) for number, name in enumerate(_NAMES)]
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    admin.print_table(lines)
    shown = capsys.readouterr().out
    assert "…" not in shown
    together = "".join(shown.split())
    for line in lines:
        assert f"{line.id}{line.name.replace(' ', '')}paid" in together
    assert together.count("2026-03-0112:30") == 2 * len(lines)
