"""What a scenario shows beside its figures: how times spread, what passed when, and what passed between whom.

Each is bounded, whatever the run was: bins and slots in place of packets. A list that is longer is not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

MOST_BINS, MOST_SLOTS, MOST_STREAMS, MOST_COLUMNS, MOST_ROWS = 64, 160, 8, 16, 64
MOST_SAVES, MOST_EVENTS = 60, 60
MOST_EXHIBITS = 12
"""Of one scenario."""
MOST_WORDS = 240
"""Characters of a text."""

Count = Annotated[int, Meta(ge=0)]
Words = Annotated[str, Meta(max_length=MOST_WORDS)]


class Histogram(msgspec.Struct, frozen=True, tag_field="kind", tag="histogram"):
    """How measurements of one thing spread.

    Attributes:
        unit: of the edges and the three figures; "s" for times.
        edges: ascending, one more than there are counts. The first and the last bin also have what lies beyond.
        least, median, most: of the measurements themselves.
    """

    name: Words
    unit: Words
    edges: Annotated[list[float], Meta(min_length=2, max_length=MOST_BINS + 1)]
    counts: Annotated[list[Count], Meta(min_length=1, max_length=MOST_BINS)]
    least: float
    median: float
    most: float

    def __post_init__(self) -> None:
        _insist(len(self.edges) == len(self.counts) + 1, "a histogram has one edge more than counts")
        _insist(self.edges == sorted(set(self.edges)), "a histogram's edges ascend")

    def numbers(self) -> Mapping[str, float]:
        """The figures to compare by, by name."""
        return {
            f"{self.name}: measurements": sum(self.counts),
            f"{self.name}: median": self.median,
            f"{self.name}: most": self.most,
        }


class Passed(msgspec.Struct, frozen=True):
    """What became of a stream's packets that were sent between the answer of one save and the request of the next.

    Those that were still under way at that request are rightly judged by the next save.

    Attributes:
        allowed: what the policy says of them; None if the stream was not judged then.
        wrong: how many were lost although allowed, or delivered although denied.
    """

    allowed: bool | None
    sent: Count
    delivered: Count
    wrong: Count


class Save(msgspec.Struct, frozen=True):
    """A change of the policy.

    Attributes:
        policy: in words.
        asked, answered: seconds from the timeline's begin.
        passed: what followed until the next save, by stream in the timeline's order.
    """

    policy: Words
    asked: float
    answered: float
    passed: Annotated[list[Passed], Meta(max_length=MOST_STREAMS)]


class Stream(msgspec.Struct, frozen=True):
    """A stream's packets by the time at which they were sent, slot by slot.

    Attributes:
        sent: how many were.
        delivered: how many of those arrived.
        denied: stretches in which the policy denies it, in seconds from the timeline's begin.
    """

    name: Words
    sent: Annotated[list[Count], Meta(max_length=MOST_SLOTS)]
    delivered: Annotated[list[Count], Meta(max_length=MOST_SLOTS)]
    denied: Annotated[list[tuple[float, float]], Meta(max_length=MOST_SAVES + 1)]


class Event(msgspec.Struct, frozen=True):
    """What was done to the service beside its policy, damage above all.

    Attributes:
        what: in words.
        begin, end: when it was done, and when all was as before, in seconds from the timeline's begin.
    """

    what: Words
    begin: float
    end: float


class Timeline(msgspec.Struct, frozen=True, tag_field="kind", tag="timeline"):
    """When each save was asked and answered, what else was done, and which packets of the streams were delivered.

    Attributes:
        slot: seconds of one slot.
        left_out: saves after the last one that is shown; the timeline ends before them.
        streams_left_out, events_left_out: those that there is no room for.
    """

    name: Words
    slot: Annotated[float, Meta(gt=0)]
    saves: Annotated[list[Save], Meta(max_length=MOST_SAVES)]
    streams: Annotated[list[Stream], Meta(min_length=1, max_length=MOST_STREAMS)]
    left_out: Count = 0
    streams_left_out: Count = 0
    events: Annotated[list[Event], Meta(max_length=MOST_EVENTS)] = []
    events_left_out: Count = 0

    def __post_init__(self) -> None:
        lengths = {len(each) for stream in self.streams for each in (stream.sent, stream.delivered)}
        _insist(len(lengths) == 1 and lengths != {0}, "all streams of a timeline have as many slots, and some")
        passed = {len(save.passed) for save in self.saves}
        _insist(passed <= {len(self.streams)}, "each save tells of each stream")

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.slot * len(self.streams[0].sent)

    def numbers(self) -> Mapping[str, float]:
        """The figures to compare by, by name."""
        found: dict[str, float] = {f"{self.name}: saves": len(self.saves) + self.left_out}
        if self.events:
            found[f"{self.name}: events"] = len(self.events) + self.events_left_out
            found[f"{self.name}: the longest of them"] = max(event.end - event.begin for event in self.events)
        for at, stream in enumerate(self.streams):
            found[f"{self.name}: {stream.name} sent"] = sum(stream.sent)
            found[f"{self.name}: {stream.name} delivered"] = sum(stream.delivered)
            found[f"{self.name}: {stream.name} other than the policy says"] = sum(
                save.passed[at].wrong for save in self.saves
            )
        return found


class Cell(msgspec.Struct, frozen=True):
    """One question, and what was measured.

    Attributes:
        allowed: what the policy says.
        sent, arrived: how many packets or connections were tried, and how many of them reached the destination.
    """

    allowed: bool
    sent: Count
    arrived: Count

    @property
    def is_right(self) -> bool:
        """Whether what was measured is what the policy says."""
        return self.arrived == (self.sent if self.allowed else 0)


class Row(msgspec.Struct, frozen=True):
    """From one machine to another; cells by column, None where nothing was asked."""

    source: Words
    destination: Words
    cells: Annotated[list[Cell | None], Meta(max_length=MOST_COLUMNS)]


class TruthTable(msgspec.Struct, frozen=True, tag_field="kind", tag="table"):
    """What may pass between whom, and what did.

    Attributes:
        policy: what holds, in words.
        columns: protocols and ports.
        left_out: rows that the table has no room for; all that differ from the policy are among those shown first.
    """

    name: Words
    policy: Words
    columns: Annotated[list[Words], Meta(min_length=1, max_length=MOST_COLUMNS)]
    rows: Annotated[list[Row], Meta(max_length=MOST_ROWS)]
    left_out: Count = 0

    def __post_init__(self) -> None:
        _insist(all(len(row.cells) == len(self.columns) for row in self.rows), "each row has a cell for each column")

    def cells(self) -> Mapping[str, Cell]:
        """Every cell, by its question in words."""
        return {
            f"{row.source}→{row.destination} {column}": cell
            for row in self.rows
            for column, cell in zip(self.columns, row.cells, strict=True)
            if cell is not None
        }

    @property
    def wrong(self) -> Mapping[str, Cell]:
        """Those in which something else was measured than the policy says."""
        return {question: cell for question, cell in self.cells().items() if not cell.is_right}

    def numbers(self) -> Mapping[str, float]:
        """The figures to compare by, by name."""
        cells = self.cells().values()
        return {
            f"{self.name}: cells": len(cells),
            f"{self.name}: of them denied": sum(not cell.allowed for cell in cells),
            f"{self.name}: of them other than the policy says": len(self.wrong),
        }


Exhibit = Histogram | Timeline | TruthTable


def _insist(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)
