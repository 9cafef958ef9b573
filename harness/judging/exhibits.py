"""Exhibits of a transcript, made from the records of a scenario."""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.judging.judgement import Judgement, Phase
from netlab import Received, Sent
from reports.exhibits import (
    MOST_COLUMNS,
    MOST_EVENTS,
    MOST_ROWS,
    MOST_SAVES,
    MOST_SLOTS,
    MOST_STREAMS,
    Cell,
    Event,
    Histogram,
    Passed,
    Row,
    Save,
    Stream,
    Timeline,
    TruthTable,
)
from reports.texts import clipped

_STEPS = (1, 1.5, 2, 3, 5, 7)
_EDGES = (*(float(f"{step}e{power}") for power in range(-5, 3) for step in _STEPS), 1e3)
"""Edges of all histograms in seconds, from 10 µs to a quarter of an hour, so that runs can be compared bin by bin."""
_SHORTEST_SLOT = 0.01
_FEWEST = 5
"""Fewest measurements for a histogram."""


@dataclass(frozen=True)
class PolicySave:
    """A save of the policy.

    Attributes:
        policy: the policy in words.
        requested_ns: time of the request.
        answered_ns: time of the answer.
    """

    policy: str
    requested_ns: int
    answered_ns: int


@dataclass(frozen=True)
class HubEvent:
    """An event that disturbed the service.

    Attributes:
        what: the event in words.
        begin_ns: its begin.
        end_ns: time at which its effect had ended.
    """

    what: str
    begin_ns: int
    end_ns: int


@dataclass(frozen=True)
class EndedStream:
    """A stream that has ended, with its judgement."""

    name: str
    phases: Sequence[Phase]
    sent: Sequence[Sent]
    received: Sequence[Received]
    judgement: Judgement


def histogram(name: str, seconds: Sequence[float]) -> Histogram | None:
    """Makes a histogram of times; None if they are too few."""
    if len(seconds) < _FEWEST:
        return None
    bins = [min(max(bisect_right(_EDGES, each) - 1, 0), len(_EDGES) - 2) for each in seconds]
    first, last = min(bins), max(bins)
    return Histogram(
        clipped(name),
        "s",
        list(_EDGES[first : last + 2]),
        [bins.count(each) for each in range(first, last + 1)],
        *(round(each, 6) for each in (min(seconds), statistics.median(seconds), max(seconds))),
    )


def timeline(
    name: str, streams: Sequence[EndedStream], saves: Sequence[PolicySave], events: Sequence[HubEvent] = ()
) -> Timeline | None:
    """Makes a timeline of the saves and events while streams ran; None if no stream ran or nothing happened."""
    ran = [stream for stream in streams if stream.sent]
    shown = ran[:MOST_STREAMS]
    if not shown:
        return None
    begin = min(stream.sent[0].sent_ns for stream in shown)
    end = max(stream.sent[-1].sent_ns for stream in shown) + 1
    within = sorted(
        (each for each in saves if begin <= each.requested_ns and each.answered_ns <= end),
        key=lambda each: each.answered_ns,
    )
    meanwhile = [each for each in events if begin <= each.begin_ns and each.end_ns <= end]
    if not within and not meanwhile:
        return None
    kept, rest = within[:MOST_SAVES], within[MOST_SAVES:]
    if rest:
        end = rest[0].requested_ns
        meanwhile = [each for each in meanwhile if each.end_ns <= end]
    ends = [*(each.requested_ns for each in kept[1:]), end][: len(kept)]
    passed = zip(*(_passed(stream, kept, ends) for stream in shown), strict=True)
    slots = min(MOST_SLOTS, max(1, math.ceil((end - begin) / 1e9 / _SHORTEST_SLOT)))
    return Timeline(
        name,
        (end - begin) / 1e9 / slots,
        [_save(begin, each, passing) for each, passing in zip(kept, passed, strict=True)],
        [_stream(stream, begin, end, slots) for stream in shown],
        len(rest),
        len(ran) - len(shown),
        [_event(begin, each) for each in meanwhile[:MOST_EVENTS]],
        max(0, len(meanwhile) - MOST_EVENTS),
    )


def _save(begin: int, save: PolicySave, passed: Sequence[Passed]) -> Save:
    requested, answered = _seconds_since(begin, save.requested_ns), _seconds_since(begin, save.answered_ns)
    return Save(clipped(save.policy), requested, answered, list(passed))


def _event(begin: int, event: HubEvent) -> Event:
    return Event(clipped(event.what), _seconds_since(begin, event.begin_ns), _seconds_since(begin, event.end_ns))


def truth_table(name: str, policy: str, cells: Mapping[tuple[str, str, str], Cell]) -> TruthTable:
    """Makes a table with rows and columns in the order of their first cells. Of too many rows, wrong ones are kept.

    Args:
        cells: cells by source, destination, and protocol with port.
    """
    columns = list(dict.fromkeys(column for _, _, column in cells))[:MOST_COLUMNS]
    pairs = list(dict.fromkeys((source, destination) for source, destination, _ in cells))
    rows = [Row(clipped(a), clipped(b), [cells.get((a, b, column)) for column in columns]) for a, b in pairs]
    if len(rows) > MOST_ROWS:
        rows.sort(key=lambda row: all(cell is None or cell.is_right for cell in row.cells))
    kept = rows[:MOST_ROWS]
    return TruthTable(clipped(name), clipped(policy), [clipped(each) for each in columns], kept, len(rows) - len(kept))


def select_tables(tables: Sequence[TruthTable], most: int) -> list[TruthTable]:
    """Selects up to ``most`` tables, in their order: those with wrong cells, then those with most of both verdicts."""

    def rank(table: TruthTable) -> tuple[int, int]:
        cells = table.cells().values()
        denied = sum(not cell.allowed for cell in cells)
        return -sum(not cell.is_right for cell in cells), -min(denied, len(cells) - denied)

    chosen = sorted(range(len(tables)), key=lambda at: rank(tables[at]))[:most]
    return [tables[at] for at in sorted(chosen)]


def _passed(stream: EndedStream, saves: Sequence[PolicySave], ends: Sequence[int]) -> list[Passed]:
    wrong = stream.judgement.wrong
    arrived = {packet.seq for packet in stream.received}
    accepted = [packet for packet in stream.sent if not packet.errno]
    times = [packet.sent_ns for packet in accepted]
    found = []
    for save, end in zip(saves, ends, strict=True):
        between = accepted[bisect_left(times, save.answered_ns) : bisect_left(times, end)]
        phase = next((each for each in stream.phases if each.covers(save.answered_ns, save.answered_ns)), None)
        found.append(
            Passed(
                phase.allowed if phase else None,
                len(between),
                sum(packet.seq in arrived for packet in between),
                sum(packet.seq in wrong for packet in between),
            )
        )
    return found


def _stream(stream: EndedStream, begin: int, end: int, slots: int) -> Stream:
    arrived = {packet.seq for packet in stream.received}
    sent, delivered = [0] * slots, [0] * slots
    for packet in stream.sent:
        if not packet.errno and begin <= packet.sent_ns < end:
            at = (packet.sent_ns - begin) * slots // (end - begin)
            sent[at] += 1
            delivered[at] += packet.seq in arrived
    denied = [
        (_seconds_since(begin, max(begin, phase.start_ns)), _seconds_since(begin, min(end, phase.end_ns or end)))
        for phase in stream.phases
        if not phase.allowed and phase.start_ns < end
    ]
    return Stream(clipped(stream.name), sent, delivered, denied[: MOST_SAVES + 1])


def _seconds_since(begin_ns: int, moment_ns: int) -> float:
    return round((moment_ns - begin_ns) / 1e9, 6)
