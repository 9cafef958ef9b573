"""Resolution of a target, and its row in the table."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from harness.resolution.measuring import Entry, Found
from harness.resolution.plan import TARGETS, Cell
from harness.resolution.results import COLUMNS, TargetResult, results, row, write

LATE = next(target for target in TARGETS if target.name == "live-change/late")


def made(counts: dict[int | None, str]) -> TargetResult:
    """Returns the result of runs: a letter for each, F for found, M for missed, U for unclear."""
    kinds = {"F": Found.FOUND, "M": Found.MISSED, "U": Found.UNCLEAR}
    entries = [
        (Cell(LATE, value), Entry("v", LATE.name, value, "quick", seed, kinds[letter], 1.0))
        for value, letters in counts.items()
        for seed, letter in enumerate(letters)
    ]
    (found,) = results([LATE], entries, "quick")
    return found


@pytest.mark.parametrize(
    ("counts", "least"),
    [
        ({}, None),
        ({50: "M"}, None),
        ({50: "F"}, 50),
        ({50: "F", 10: "F" * 19 + "M", 5: "F" * 18 + "MM"}, 10),
        ({50: "F", 10: "F" * 19 + "U", 5: "U"}, 10),
        # A smaller fault does not count if a larger one is missed.
        ({50: "F", 10: "FM", 5: "F" * 20}, 50),
        ({50: "F", 10: "F", 5: "F", 2: "F"}, 2),
    ],
)
def test_the_least_is_found_nearly_always_like_all_larger_ones(
    counts: dict[int | None, str], least: int | None
) -> None:
    assert made(counts).least == least


def test_a_row_tells_sizes_counts_and_intervals() -> None:
    found = made({50: "F", 10: "F" * 20, 5: "FUM", None: "MMM"})
    assert row(found) == (
        "live-change",
        "late",
        "10 ms",
        "20 of 20 (83 to 100 %)",
        "5 ms",
        "1 of 3 (1 to 91 %), 1 unclear",
        "0 of 3 (0 to 71 %)",
    )


def test_a_row_without_runs_has_dashes() -> None:
    assert row(made({})) == ("live-change", "late", "none", "-", "50 ms", "-", "-")
    everything = row(made({50: "F", 10: "F", 5: "F", 2: "F"}))
    assert everything[2:] == ("2 ms", "1 of 1 (2 to 100 %)", "none", "-", "-")
    assert len(everything) == len(COLUMNS)


def test_written_results_are_read_again(tmp_path: Path) -> None:
    found = [made({50: "F" * 3, None: "M"}), made({})]
    write(tmp_path / "results.json", found)
    assert msgspec.json.decode((tmp_path / "results.json").read_bytes(), type=list[TargetResult]) == found
