"""Two censuses differ in what is left or missing, and not in what the clock adds."""

from __future__ import annotations

from typing import Any

from appliance.store import schema
from harness.subject import remains

TUNNEL = {"namespace": "mw1", "port": 20001}


def census(**organizations: dict[str, int]) -> dict[str, Any]:
    """Returns a census as the operator's command prints it: rows by organization."""
    return {
        each: {"id": each, "name": each, "orphan": False, "host": TUNNEL, "rows": rows}
        for each, rows in organizations.items()
    }


def test_what_an_ended_hour_adds_is_no_remainder() -> None:
    before, after = census(first={"machines": 2}), census(first={"machines": 2, "decided_packets": 2})
    assert remains.in_census(before, after) == []
    assert remains.in_census(after, before) == []


def test_tables_that_the_clock_fills_exist() -> None:
    assert set(schema.metadata.tables) >= remains.BY_THE_CLOCK


def test_a_missing_row_of_another_is_seen() -> None:
    assert remains.in_census(census(first={"machines": 2, "rules": 1}), census(first={"machines": 2})) == [
        "gone: first: rules 1"
    ]


def test_rows_alone_of_a_deleted_organization_are_seen() -> None:
    left = census(first={"machines": 2}, second={"decided_packets": 1})
    assert "new: second: orphan False" in remains.in_census(census(first={"machines": 2}), left)


def test_an_object_on_the_host_is_seen() -> None:
    before, after = census(first={"machines": 1}), census(first={"machines": 1})
    after["first"]["host"] = {**TUNNEL, "port": 20002}
    assert len(remains.in_census(before, after)) == len(("the old one", "the new one"))
