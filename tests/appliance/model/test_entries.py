"""Entries of the audit trail have a bounded size, even with the longest names."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from appliance.model.entries import LEFT_OUT, LONGEST, shortened, size_of

TEXTS = st.text(max_size=300) | st.text(alphabet="\U0001f600", max_size=300)
DETAILS = st.dictionaries(
    st.text(alphabet="abcdef_", min_size=1, max_size=20),
    TEXTS | st.integers() | st.none() | st.lists(TEXTS, max_size=40),
    max_size=30,
)


@given(DETAILS)
def test_long_entries_are_cut_and_short_ones_stay_unchanged(detail: dict[str, Any]) -> None:
    found = shortened(detail)
    assert len(json.dumps(found)) <= LONGEST
    assert size_of("a@example.net", found) <= LONGEST + 200
    if len(json.dumps(detail)) <= LONGEST:
        assert found == detail


@given(st.lists(TEXTS, max_size=40), st.integers(1, 10**6))
def test_an_entry_cut_twice_counts_every_omitted_value(rules: list[str], more: int) -> None:
    detail = {"added": rules, "added" + LEFT_OUT: more, "version": 3}
    found = shortened(detail)
    assert len(found["added"]) + found["added" + LEFT_OUT] == len(rules) + more
    assert found["version"] == 3


def test_omitted_values_are_counted() -> None:
    # As many groups as a machine may have, with the longest names.
    groups = [f"{number:02d}" + "\U0001f600" * 253 for number in range(32)]
    detail = {"machine": "m" * 12, "name": "\U0001f600" * 255, "joined": groups, "left": ["red"]}
    assert len(json.dumps(detail)) > 98_000
    found = shortened(detail)
    assert found["machine"] == "m" * 12
    assert found["left"] == ["red"]
    assert found["joined"]
    assert len(found["joined"]) + found["joined" + LEFT_OUT] == 32
    assert all(name.startswith(f"{place:02d}") and name.endswith("…") for place, name in enumerate(found["joined"]))
    assert found["name"].endswith("…")
