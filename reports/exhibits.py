"""Exhibits of a scenario: the spread of times, the packets along a timeline, the pairs that may and do communicate.

A certificate tells of a proof over all packets. Every exhibit is bounded, however long the run was: it has bins and
slots instead of packets. A longer list is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from reports.certificates import Certificate, DoorCertificate
from reports.fields import Count, Words

MOST_BINS, MOST_SLOTS, MOST_STREAMS, MOST_COLUMNS, MOST_ROWS = 64, 160, 8, 16, 64
MOST_SAVES, MOST_EVENTS = 60, 60
MOST_EXHIBITS = 12
"""Most exhibits of one scenario."""


class Histogram(msgspec.Struct, frozen=True, tag_field="kind", tag="histogram"):
    """The spread of measurements of one thing.

    Attributes:
        name: what was measured.
        unit: unit of the edges and the three figures; "s" for times.
        edges: ascending, one more than counts. The first and the last bin also have the values beyond them.
        counts: measurements in each bin.
        least: smallest measurement.
        median: median of the measurements.
        most: largest measurement.
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
        """Returns the figures to compare by, by name."""
        return {
            f"{self.name}: measurements": sum(self.counts),
            f"{self.name}: median": self.median,
            f"{self.name}: most": self.most,
        }


class Passed(msgspec.Struct, frozen=True):
    """Counts of a stream's packets sent between the answer of one save and the request of the next.

    Packets still under way at that request are rightly judged by the next save.

    Attributes:
        allowed: the policy's verdict on the stream; None if the stream was not judged then.
        sent: packets sent.
        delivered: packets delivered.
        wrong: packets lost although allowed, or delivered although denied.
    """

    allowed: bool | None
    sent: Count
    delivered: Count
    wrong: Count


class Save(msgspec.Struct, frozen=True):
    """A change of the policy. Times are seconds from the timeline's begin.

    Attributes:
        policy: the new policy in words.
        asked: time of the request.
        answered: time of the answer.
        passed: counts until the next save, for each stream in the timeline's order.
    """

    policy: Words
    asked: float
    answered: float
    passed: Annotated[list[Passed], Meta(max_length=MOST_STREAMS)]


class Stream(msgspec.Struct, frozen=True):
    """A stream's packets by the time of sending, slot by slot.

    Attributes:
        name: name of the stream.
        sent: packets sent in each slot.
        delivered: packets among those that arrived.
        denied: stretches in which the policy denies the stream, in seconds from the timeline's begin.
    """

    name: Words
    sent: Annotated[list[Count], Meta(max_length=MOST_SLOTS)]
    delivered: Annotated[list[Count], Meta(max_length=MOST_SLOTS)]
    denied: Annotated[list[tuple[float, float]], Meta(max_length=MOST_SAVES + 1)]


class Event(msgspec.Struct, frozen=True):
    """An act on the service other than a change of policy, such as damage. Times are seconds from the timeline's begin.

    Attributes:
        what: the act in words.
        begin: time of the act.
        end: time at which all was as before.
    """

    what: Words
    begin: float
    end: float


class Timeline(msgspec.Struct, frozen=True, tag_field="kind", tag="timeline"):
    """Saves, other acts, and the delivery of streams along one time.

    Attributes:
        name: title of the timeline.
        slot: seconds of one slot.
        saves: changes of the policy, in order.
        streams: the streams.
        left_out: saves after the last one shown; the timeline ends before them.
        streams_left_out: streams that there is no room for.
        events: other acts, in order.
        events_left_out: acts that there is no room for.
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
        """Length of the timeline in seconds."""
        return self.slot * len(self.streams[0].sent)

    def numbers(self) -> Mapping[str, float]:
        """Returns the figures to compare by, by name."""
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
    """A question of a truth table, and the measured answer.

    Attributes:
        allowed: the policy's verdict.
        sent: packets or connections that were tried.
        arrived: tries that reached the destination.
    """

    allowed: bool
    sent: Count
    arrived: Count

    @property
    def is_right(self) -> bool:
        """True if the measurement agrees with the policy."""
        return self.arrived == (self.sent if self.allowed else 0)


class Row(msgspec.Struct, frozen=True):
    """A row of a truth table, from one machine to another.

    Attributes:
        source: name of the machine that asks.
        destination: name of the machine that is asked.
        cells: one cell for each column; None where nothing was asked.
    """

    source: Words
    destination: Words
    cells: Annotated[list[Cell | None], Meta(max_length=MOST_COLUMNS)]


class TruthTable(msgspec.Struct, frozen=True, tag_field="kind", tag="table"):
    """The pairs of machines that the policy lets communicate, and the pairs that did.

    Attributes:
        name: title of the table.
        policy: the policy in words.
        columns: protocols and ports.
        rows: pairs of machines.
        left_out: rows that there is no room for. Rows that differ from the policy are shown first.
    """

    name: Words
    policy: Words
    columns: Annotated[list[Words], Meta(min_length=1, max_length=MOST_COLUMNS)]
    rows: Annotated[list[Row], Meta(max_length=MOST_ROWS)]
    left_out: Count = 0

    def __post_init__(self) -> None:
        _insist(all(len(row.cells) == len(self.columns) for row in self.rows), "each row has a cell for each column")

    def cells(self) -> Mapping[str, Cell]:
        """Returns every cell, by its question in words."""
        return {
            f"{row.source}→{row.destination} {column}": cell
            for row in self.rows
            for column, cell in zip(self.columns, row.cells, strict=True)
            if cell is not None
        }

    @property
    def wrong(self) -> Mapping[str, Cell]:
        """Cells in which the measurement differs from the policy, by their question in words."""
        return {question: cell for question, cell in self.cells().items() if not cell.is_right}

    def numbers(self) -> Mapping[str, float]:
        """Returns the figures to compare by, by name."""
        cells = self.cells().values()
        return {
            f"{self.name}: cells": len(cells),
            f"{self.name}: of them denied": sum(not cell.allowed for cell in cells),
            f"{self.name}: of them other than the policy says": len(self.wrong),
        }


Exhibit = Histogram | Timeline | TruthTable | Certificate | DoorCertificate


def _insist(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)
