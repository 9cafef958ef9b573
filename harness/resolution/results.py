"""Resolution of each target: the smallest fault that is found nearly always."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from harness.resolution.measuring import GOAL, Entry, Found
from harness.resolution.plan import Cell, Target
from reports.chances import clopper_pearson


class CellResult(msgspec.Struct, frozen=True):
    """Runs with a fault of one size.

    Attributes:
        value: size of the fault; None for the product itself.
        found: runs that found it.
        runs: runs in all.
        unclear: runs of these in which a scenario was not proven for another reason.
        interval: interval of Clopper and Pearson for the share that is found, with 95 % confidence; None without runs.
    """

    value: int | None
    found: int
    runs: int
    unclear: int
    interval: tuple[float, float] | None

    @property
    def meets_goal(self) -> bool:
        """True if enough of the runs found the fault."""
        return self.runs > 0 and self.found >= GOAL * self.runs


class TargetResult(msgspec.Struct, frozen=True):
    """Resolution of a claim for a kind of fault.

    Attributes:
        claim: id of the claim.
        kind: name of the kind.
        profile: profile of the scenarios.
        is_share: True if values are the N of "one packet of N".
        least: value of the smallest fault that was found in 95 % of runs or more, as all larger ones were; None if the
            largest was not.
        cells: runs by value, with the largest fault first.
        sound: runs of the product itself; None if there were none.
    """

    claim: str
    kind: str
    profile: str
    is_share: bool
    least: int | None
    cells: list[CellResult]
    sound: CellResult | None


def results(targets: Sequence[Target], entries: Sequence[tuple[Cell, Entry]], profile: str) -> Iterator[TargetResult]:
    """Yields the resolution of each target."""
    for target in targets:
        own = [_cell(value, target, entries) for value in (*target.kind.values, None)]
        *sized, sound = own
        yield TargetResult(
            target.claim,
            target.kind.name,
            profile,
            target.kind.is_share,
            _least(sized),
            sized,
            sound if sound.runs else None,
        )


def _cell(value: int | None, target: Target, entries: Iterable[tuple[Cell, Entry]]) -> CellResult:
    own = [entry.found for cell, entry in entries if cell == Cell(target, value)]
    found = own.count(Found.FOUND)
    interval = clopper_pearson(found, len(own)) if own else None
    return CellResult(value, found, len(own), own.count(Found.UNCLEAR), interval)


def _least(cells: Sequence[CellResult]) -> int | None:
    least = None
    for cell in cells:
        if not cell.meets_goal:
            break
        least = cell.value
    return least


def size(value: int | None, *, is_share: bool) -> str:
    """Puts the size of a fault into words: a share of packets, or milliseconds."""
    if value is None:
        return "no fault"
    return f"1 in {value:,}" if is_share else f"{value} ms"


def counted(cell: CellResult) -> str:
    """Writes the runs of a cell, such as "19 of 20 (75 to 100 %)"."""
    if cell.interval is None:
        return "-"
    low, high = cell.interval
    unclear = f", {cell.unclear} unclear" if cell.unclear else ""
    return f"{cell.found} of {cell.runs} ({100 * low:.0f} to {100 * high:.0f} %){unclear}"


COLUMNS = ("claim", "fault", "smallest that is found", "by runs", "next smaller", "by runs", "without a fault")
"""Columns of the table of results."""


def row(target: TargetResult) -> tuple[str, ...]:
    """Returns a target's row of the table."""
    at = -1 if target.least is None else [cell.value for cell in target.cells].index(target.least)
    texts: list[str] = []
    for number in (at, at + 1):
        if 0 <= number < len(target.cells):
            cell = target.cells[number]
            texts += [size(cell.value, is_share=target.is_share), counted(cell)]
        else:
            texts += ["none", "-"]
    return target.claim, target.kind, *texts, "-" if target.sound is None else counted(target.sound)


def write(file: Path, found: Sequence[TargetResult]) -> None:
    """Writes the results as JSON."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
