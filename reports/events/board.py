"""State of a run, put together from its events."""

from __future__ import annotations

import threading
from typing import TypeVar

import msgspec

from reports.events.format import (
    AnyEvent,
    EventsLost,
    MutantJudged,
    MutantsDrawn,
    Note,
    RoundBegun,
    RunBegun,
    RunEnded,
    SabotageBegun,
    SabotageEnded,
    SaveAnswered,
    ScenarioBegun,
    ScenarioEnded,
    ScenarioPlanned,
    ScenarioRepeated,
    StreamBegun,
    StreamEnded,
    StreamFigures,
    clipped,
)

PLANNED, RUNNING, NOT_RUN = "planned", "running", "not run"
MOST_ROWS = 2000
"""Most scenarios and most sabotages of a board. A run has some hundred; a file could have any number."""

_MUTANTS = ("noticed", "survived", "undecided", "alike")

MOST_STREAMS = 16
"""Most streams of a scenario."""

MOST_CLAIMS = 200
"""Most claims of a board."""


class StreamRow(msgspec.Struct, frozen=True):
    """A stream of a scenario.

    Attributes:
        ended: True once it was judged.
        wrong: packets that were delivered although denied or lost although allowed.
    """

    name: str
    sent: int = 0
    delivered: int = 0
    denied: int = 0
    ended: bool = False
    wrong: int = 0


class ScenarioRow(msgspec.Struct, frozen=True):
    """A scenario.

    Attributes:
        id: id of its element on the page.
        state: planned, running, not run, or its verdict.
        again: verdict of the second run; "" without one.
        changed: number of the last change.
    """

    id: str
    claim: str
    name: str
    title: str = ""
    state: str = PLANNED
    begun: float = 0.0
    seconds: float = 0.0
    why: str = ""
    again: str = ""
    streams: tuple[StreamRow, ...] = ()
    save: SaveAnswered | None = None
    changed: int = 0


class SabotageRow(msgspec.Struct, frozen=True):
    """A sabotage.

    Attributes:
        id: id of its element on the page.
        state: planned, running, postponed, not run, noticed or missed.
        changed: number of the last change.
    """

    id: str
    name: str
    claim: str
    broke: str = ""
    state: str = PLANNED
    begun: float = 0.0
    seconds: float = 0.0
    why: str = ""
    changed: int = 0


class View(msgspec.Struct, frozen=True):
    """A board at one moment.

    Attributes:
        change: number of the last change.
        shape: number of the last change that added a claim, scenario or sabotage.
        run: the first event; None before the run begins.
        end: the last event; None while the run goes on.
        claims: sentence of each claim by its id.
        scenarios: scenarios in the order of the plan.
        sabotages: sabotages in the order of the plan.
        round: number and seed of a later round; None in the first.
        mutants: number of automatic breaks that are tried.
        judged: number of these by their verdict.
        lost: number of events that are missing.
        note: newest fact for a person; "" for none.
        is_cut: True if no more events come, although the run has no verdict.
        files: names of the run's files that the page links.
    """

    change: int = 0
    shape: int = 0
    run: RunBegun | None = None
    end: RunEnded | None = None
    claims: dict[str, str] = {}
    scenarios: list[ScenarioRow] = []
    sabotages: list[SabotageRow] = []
    round: RoundBegun | None = None
    mutants: int = 0
    judged: dict[str, int] = {}
    lost: int = 0
    note: str = ""
    is_cut: bool = False
    files: tuple[str, ...] = ()

    @property
    def is_over(self) -> bool:
        """True if nothing more will happen."""
        return self.end is not None or self.is_cut


_Row = TypeVar("_Row", ScenarioRow, SabotageRow)


class Board:
    """State of a run, from any thread. Events of kinds that are not shown change nothing."""

    def __init__(self) -> None:
        """Makes the board of a run that has not begun."""
        self._view = View()
        self._claims: dict[str, str] = {}
        self._scenarios: dict[tuple[str, str], ScenarioRow] = {}
        self._sabotages: dict[str, SabotageRow] = {}
        self._changed = threading.Condition()

    def apply(self, event: AnyEvent) -> None:
        """Takes an event in."""
        with self._changed:
            self._set()
            match event:
                case RunBegun():
                    self._set(run=event)
                    for claim in event.claims:
                        self._claim(claim.id, claim.claim)
                    for sabotage in event.sabotages:
                        self._sabotage(sabotage.id, sabotage.claim, broke=clipped(sabotage.broke))
                case RoundBegun():
                    self._set(round=event)
                case MutantsDrawn():
                    self._set(mutants=event.count)
                case MutantJudged():
                    self._judge(event.verdict)
                case RunEnded():
                    self._end(event)
                case EventsLost():
                    self._set(lost=self._view.lost + max(0, event.count))
                case Note():
                    self._set(note=clipped(f"{event.word} {event.text}"))
                case SabotageBegun():
                    self._sabotage(event.sabotage, event.claim, state=RUNNING, begun=event.at)
                case SabotageEnded():
                    known = {"state": clipped(event.outcome), "seconds": event.seconds, "why": clipped(event.why)}
                    self._sabotage(event.sabotage, event.claim, **known)
                case _:
                    self._of_scenario(event)
            self._changed.notify_all()

    def cut(self) -> None:
        """Notes that no more events come."""
        with self._changed:
            self._set(is_cut=self._view.end is None)
            self._changed.notify_all()

    def publish(self, *files: str) -> None:
        """Notes which files of the run can be had."""
        with self._changed:
            self._set(files=files)
            self._changed.notify_all()

    def wait(self, change: int, timeout_s: float) -> View:
        """Waits until there is a later change, or the time is over.

        Args:
            change: number of a change.
            timeout_s: seconds to wait.

        Returns:
            The board as it is then.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._view.change > change, timeout_s)
            return msgspec.structs.replace(
                self._view,
                claims=dict(self._claims),
                scenarios=list(self._scenarios.values()),
                sabotages=list(self._sabotages.values()),
            )

    def _set(self, **fields: object) -> None:
        self._view = msgspec.structs.replace(self._view, change=self._view.change + 1, **fields)

    def _judge(self, verdict: str) -> None:
        word, before = verdict if verdict in _MUTANTS else "undecided", self._view.judged
        self._set(judged={**before, word: before.get(word, 0) + 1})

    def _end(self, event: RunEnded) -> None:
        self._set(end=event)
        open_states = (PLANNED, RUNNING, "postponed")
        for (claim, name), scenario in list(self._scenarios.items()):
            if scenario.state in open_states:
                self._scenario(claim, name, state=NOT_RUN)
        for sabotage in list(self._sabotages.values()):
            if sabotage.state in open_states:
                self._sabotage(sabotage.name, sabotage.claim, state=NOT_RUN)

    def _claim(self, claim: str, sentence: str = "") -> None:
        if claim not in self._claims and len(self._claims) < MOST_CLAIMS:
            self._claims[claim] = clipped(sentence)
            self._set(shape=self._view.change)

    def _of_scenario(
        self,
        event: ScenarioPlanned
        | ScenarioBegun
        | ScenarioEnded
        | ScenarioRepeated
        | SaveAnswered
        | StreamBegun
        | StreamFigures
        | StreamEnded,
    ) -> None:
        fields: dict[str, object]
        match event:
            case ScenarioPlanned():
                fields = {"title": clipped(event.title)}
            case ScenarioBegun():
                begun = {"state": RUNNING, "begun": event.at, "seconds": 0.0, "why": "", "streams": (), "save": None}
                fields = {**begun, "title": clipped(event.title)}
            case ScenarioEnded():
                why = clipped(event.why)
                fields = {"state": clipped(event.verdict), "seconds": event.seconds, "why": why}
            case ScenarioRepeated():
                fields = {"again": clipped(event.verdict) or RUNNING}
            case SaveAnswered():
                fields = {"save": event}
            case _:
                before = self._scenarios.get((event.claim, event.scenario))
                fields = {"streams": _with_stream(before.streams if before else (), event)}
        self._scenario(event.claim, event.scenario, **fields)

    def _scenario(self, claim: str, name: str, **fields: object) -> None:
        self._claim(claim)
        if claim in self._claims:
            self._replace(self._scenarios, (claim, name), ScenarioRow("s", claim, clipped(name)), fields)

    def _sabotage(self, name: str, claim: str, **fields: object) -> None:
        self._replace(self._sabotages, name, SabotageRow("b", clipped(name), claim), fields)

    def _replace(self, rows: dict[_Key, _Row], key: _Key, new: _Row, fields: dict[str, object]) -> None:
        row = rows.get(key)
        if row is None:
            if len(rows) >= MOST_ROWS:
                return
            self._set(shape=self._view.change)
            row = msgspec.structs.replace(new, id=f"{new.id}{len(rows)}")
        rows[key] = msgspec.structs.replace(row, changed=self._view.change, **fields)


_Key = TypeVar("_Key")


def _with_stream(
    streams: tuple[StreamRow, ...], event: StreamBegun | StreamFigures | StreamEnded
) -> tuple[StreamRow, ...]:
    ended = isinstance(event, StreamEnded)
    wrong = event.late + event.lost if isinstance(event, StreamEnded) else 0
    row = StreamRow(clipped(event.stream), event.sent, event.delivered, event.denied, ended, wrong)
    if isinstance(event, StreamBegun):
        return (*streams, row) if len(streams) < MOST_STREAMS else streams
    # Streams of one name follow each other: figures are of the newest.
    for at in reversed(range(len(streams))):
        if streams[at].name == row.name and not streams[at].ended:
            return (*streams[:at], row, *streams[at + 1 :])
    return streams
