"""Progress of a run on a terminal, made of its events."""

from __future__ import annotations

from contextlib import suppress

from rich.console import Console
from rich.markup import escape

from harness.gate import results
from reports.events.format import (
    AnyEvent,
    MutantJudged,
    MutantsDrawn,
    Note,
    RoundBegun,
    RunBegun,
    SabotageBegun,
    SabotageEnded,
    ScenarioBegun,
    ScenarioEnded,
    ScenarioRepeated,
)

_STYLES = {
    "proven": "green",
    "noticed": "green",
    "refuted": "red",
    "inconclusive": "red",
    "UNNOTICED": "red",
    "survived": "red",
}


class Progress:
    """Prints the events of a run that a person waits for. A terminal that is gone is no fault of the run.

    Args:
        console: takes the lines.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, event: AnyEvent, _: bytes) -> None:
        """Prints an event, if it is one of those."""
        words = words_of(event)
        # rich ends the process for a pipe that nobody reads any more.
        with suppress(OSError, SystemExit):
            if isinstance(words, str):
                self._console.print(words)
            elif words is not None:
                style = _STYLES.get(words[0], "dim")
                line = f"  [{style}]{words[0]:12}[/] {escape(words[1])}"
                self._console.print(line, highlight=False, soft_wrap=True)


def words_of(event: AnyEvent) -> str | tuple[str, str] | None:
    """Returns the headline of an event, or its word and text; None if it is not printed."""
    match event:
        case RunBegun():
            what = "scenarios, and " if event.claims else ""
            return f"{what}{len(event.sabotages)} sabotages (profile {event.profile}, seed {event.seed})"
        case RoundBegun():
            return f"round {event.number} (seed {event.seed})"
        case ScenarioBegun():
            return "runs", f"{event.scenario} ({event.claim})"
        case ScenarioEnded():
            return event.verdict, results.with_reason(f"{event.scenario} ({event.claim})", event.why)
        case ScenarioRepeated(verdict=""):
            return "again", f"{event.scenario} ({event.claim})"
        case ScenarioRepeated():
            return event.verdict, results.with_reason(f"{event.scenario}, run again", event.why)
        case SabotageBegun():
            return "breaks", f"{event.sabotage} ({event.claim})"
        case SabotageEnded(outcome="postponed"):
            return "left", f"{event.sabotage}, to a run by itself"
        case SabotageEnded():
            word = "noticed" if event.outcome == "noticed" else "UNNOTICED"
            return word, f"{event.sabotage}: {results.in_brief(event.why)}"
        case MutantsDrawn():
            return f"{event.count} mutants, each by unit tests and scenarios of its part until one notices it"
        case MutantJudged():
            return event.verdict, results.with_reason(event.mutant, event.why)
        case Note():
            return event.word, event.text
        case _:
            return None
