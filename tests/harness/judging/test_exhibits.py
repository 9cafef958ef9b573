"""Exhibits of thousands of packets, saves and cells are bounded in size, and true."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judging.exhibits import (
    EndedStream,
    HubEvent,
    PolicySave,
    histogram,
    select_tables,
    timeline,
    truth_table,
)
from harness.judging.judgement import Phase, judge
from netlab import Received, Sent
from reports.exhibits import (
    MOST_BINS,
    MOST_COLUMNS,
    MOST_EVENTS,
    MOST_ROWS,
    MOST_SAVES,
    MOST_SLOTS,
    MOST_STREAMS,
    Cell,
    Passed,
)
from reports.fields import MOST_WORDS
from reports.texts import clipped

MS = 1_000_000
times = st.floats(1e-7, 1e4)


@given(st.lists(times, min_size=5, max_size=300))
def test_a_histogram_has_every_measurement_once(seconds: list[float]) -> None:
    made = histogram("pings", seconds)
    assert made is not None
    assert sum(made.counts) == len(seconds)
    assert len(made.counts) <= MOST_BINS
    assert made.counts[0]
    assert made.counts[-1]
    assert (made.least, made.most) == (round(min(seconds), 6), round(max(seconds), 6))
    for number, count in enumerate(made.counts[1:-1], start=1):
        assert count == sum(made.edges[number] <= each < made.edges[number + 1] for each in seconds)


@given(st.lists(times, max_size=4))
def test_few_measurements_make_no_histogram(seconds: list[float]) -> None:
    assert histogram("pings", seconds) is None


def test_bins_of_two_runs_have_the_same_edges() -> None:
    one, other = (histogram("pings", [each] * 5) for each in (0.0101, 0.0149))
    assert one is not None
    assert other is not None
    assert one.edges == other.edges == [0.01, 0.015]


def stream(name: str, lost: set[int], *phases: Phase, count: int = 100) -> EndedStream:
    """Returns a stream of one packet per millisecond; packets that are not lost arrive at once."""
    sent = [Sent(seq, seq * MS, seq * MS + 1, 0) for seq in range(count)]
    received = [Received(each.seq, each.sent_ns, each.sent_ns + 10) for each in sent if each.seq not in lost]
    return EndedStream(name, phases, sent, received, judge(phases, sent, received))


ALLOWED_DENIED = (Phase(True, 0, 40 * MS), Phase(False, 42 * MS, 80 * MS, 80 * MS), Phase(True, 82 * MS))
FLIPS = (PolicySave("deny", 40 * MS, 42 * MS), PolicySave("allow", 80 * MS, 82 * MS))


def test_a_timeline_counts_packets_between_saves() -> None:
    denied = set(range(41, 81))
    made = timeline("flips", [stream("one→two", denied, *ALLOWED_DENIED)], FLIPS)
    assert made is not None
    assert [(each.policy, round(each.asked, 4), round(each.answered, 4)) for each in made.saves] == [
        ("deny", 0.04, 0.042),
        ("allow", 0.08, 0.082),
    ]
    assert [each.passed for each in made.saves] == [[Passed(False, 38, 0, 0)], [Passed(True, 18, 18, 0)]]
    (shown,) = made.streams
    assert sum(shown.sent) == 100
    assert sum(shown.delivered) == 100 - len(denied)
    ((start, end),) = shown.denied
    assert (round(start, 4), round(end, 4)) == (0.042, 0.08)
    # The slots show the time of the denial.
    dark = [at * made.slot for at, count in enumerate(shown.delivered) if not count]
    assert 0.03 < min(dark) <= max(dark) < 0.085


def test_a_denied_packet_that_arrived_is_counted_as_wrong() -> None:
    made = timeline("flips", [stream("one→two", set(range(41, 81)) - {60}, *ALLOWED_DENIED)], FLIPS)
    assert made is not None
    assert [each.passed[0].wrong for each in made.saves] == [1, 0]


@given(st.integers(0, 200), st.integers(1, 12), st.integers(2, 600))
def test_a_timeline_is_bounded_and_says_what_it_leaves_out(saves: int, streams: int, packets: int) -> None:
    end = packets * MS
    made = timeline(
        "flips",
        [stream(f"{number}", set(), Phase(True, 0), count=packets) for number in range(streams)],
        [PolicySave("allow", at * end // (saves + 1), at * end // (saves + 1) + 1) for at in range(saves)],
    )
    if made is None:
        assert not saves or (packets - 1) * MS < end // (saves + 1)
        return
    assert len(made.saves) <= MOST_SAVES
    assert len(made.streams) + made.streams_left_out == streams
    assert len(made.streams) <= MOST_STREAMS
    assert len(made.streams[0].sent) <= MOST_SLOTS
    within = sum(each.sent_ns <= (packets - 1) * MS for each in stream("", set(), count=packets).sent)
    assert sum(made.streams[0].sent) <= within
    if not made.left_out:
        assert sum(made.streams[0].sent) == packets


def test_events_are_shown_with_their_times_even_without_saves() -> None:
    done = [HubEvent(f"damage {number}", number * MS, number * MS + MS // 2) for number in range(1, 99)]
    made = timeline("damage", [stream("one→two", set())], [], done)
    assert made is not None
    assert made.saves == []
    assert len(made.events) == MOST_EVENTS
    assert made.events_left_out == len(done) - MOST_EVENTS
    assert (made.events[0].what, made.events[0].begin, made.events[0].end) == ("damage 1", 0.001, 0.0015)
    assert made.numbers()["damage: events"] == len(done)


def test_without_saves_or_packets_there_is_no_timeline() -> None:
    assert timeline("flips", [stream("one→two", set(), Phase(True, 0))], []) is None
    assert timeline("flips", [stream("one→two", set(), count=0)], FLIPS) is None
    assert timeline("flips", [], FLIPS) is None


cells = st.dictionaries(
    st.tuples(st.sampled_from("abcdefghijkl"), st.sampled_from("mnopqrstuvw"), st.sampled_from(["icmp", "tcp/22"])),
    st.builds(Cell, allowed=st.booleans(), sent=st.just(1), arrived=st.integers(0, 1)),
    min_size=1,
)


@given(cells)
def test_a_table_leaves_out_right_cells_only(given: dict[tuple[str, str, str], Cell]) -> None:
    made = truth_table("table 1", "default allow", given)
    pairs = {(a, b) for a, b, _ in given}
    assert len(made.rows) == min(len(pairs), MOST_ROWS)
    assert len(made.rows) + made.left_out == len(pairs)
    for row in made.rows:
        for column, cell in zip(made.columns, row.cells, strict=True):
            assert cell == given.get((row.source, row.destination, column))
    wrong = {(a, b) for (a, b, _), cell in given.items() if not cell.is_right}
    shown = {(row.source, row.destination) for row in made.rows}
    assert wrong <= shown or shown <= wrong


def test_a_table_has_no_more_columns_than_a_page_has_room_for() -> None:
    made = truth_table("table 1", "", {("a", "b", f"tcp/{port}"): Cell(True, 1, 1) for port in range(40)})
    assert len(made.columns) == MOST_COLUMNS


def test_tables_are_sorted_by_wrong_cells_and_mixed_verdicts() -> None:
    def table(name: str, *found: Cell) -> tuple[str, dict[tuple[str, str, str], Cell]]:
        return name, {("a", "b", f"tcp/{port}"): cell for port, cell in enumerate(found)}

    passes, stops, leaks = Cell(True, 1, 1), Cell(False, 1, 0), Cell(False, 1, 1)
    tables = [
        truth_table(name, "", found)
        for name, found in (
            table("all pass", passes, passes),
            table("both", passes, stops),
            table("all stop", stops, stops),
            table("leak", leaks, stops),
        )
    ]
    assert [each.name for each in select_tables(tables, 2)] == ["both", "leak"]
    assert select_tables(tables, 9) == tables


@pytest.mark.parametrize("length", [0, 1, MOST_WORDS, MOST_WORDS + 1, 10_000])
def test_texts_are_cut_to_the_transcript_s_limit(length: int) -> None:
    assert len(clipped("x" * length)) == min(length, MOST_WORDS)
