"""Page of a run that goes on: as a whole, and the parts that changed."""

from __future__ import annotations

from collections import Counter, defaultdict
from enum import Enum
from typing import Any

from reports.events.board import RUNNING, SabotageRow, ScenarioRow, View
from reports.render import environment

_COLOURS = """
.noticed { color: var(--accent); }
.missed { color: var(--bad); }
.not-run { color: var(--open); }
table.live { min-width: 44rem; }
table.live td.figure { white-space: nowrap; }
header, main { overflow-wrap: anywhere; }
a { color: inherit; }
#now { min-height: 1.55em; }
"""


class Stage(str, Enum):
    """Stage of a run."""

    RUNS = "running"
    PASSED = "passed"
    FAILED = "failed"
    CUT = "ended early"


_TITLES = {
    Stage.RUNS: "runs",
    Stage.PASSED: "passes",
    Stage.FAILED: "does not pass",
    Stage.CUT: "ended early",
}


def style() -> str:
    """Returns the style sheet: that of a transcript's page, and the colours of further states."""
    return environment.get_template("style.css").render() + _COLOURS


def whole(view: View, events: str, *, replayed: bool = False) -> str:
    """Returns the whole page.

    Args:
        view: the run.
        events: address at which the page hears of changes.
        replayed: True for an old run.
    """
    scenarios = defaultdict(list)
    for row in view.scenarios:
        scenarios[row.claim].append(row)
    return environment.get_template("live.html").render(
        view=view,
        counts=counts(view),
        running=running(view),
        scenarios=scenarios,
        events=events,
        title=title(view),
        replayed=replayed,
        refreshes=not view.is_over or (not replayed and not view.files),
    )


def parts(view: View, since: int) -> dict[str, str]:
    """Returns the elements of the page that changed, by their ids.

    Args:
        view: the run.
        since: number of the last change that is known.
    """
    make: Any = environment.get_template("live_parts.html").module
    found = {"result": make.result(view, counts(view), title(view)), "now": make.now(view, running(view))}
    found |= {row.id: make.scenario(row) for row in view.scenarios if row.changed > since}
    found |= {row.id: make.sabotage(row) for row in view.sabotages if row.changed > since}
    return {name: str(part).strip() for name, part in found.items()}


def running(view: View) -> list[ScenarioRow | SabotageRow]:
    """Lists what goes on: scenarios, then sabotages."""
    scenarios = [row for row in view.scenarios if RUNNING in (row.state, row.again)]
    return [*scenarios, *(row for row in view.sabotages if row.state == RUNNING)]


def stage(view: View) -> Stage:
    """Returns what the run is doing, or how it ended."""
    if view.end is not None:
        return Stage.PASSED if view.end.verdict == "pass" else Stage.FAILED
    return Stage.CUT if view.is_cut else Stage.RUNS


def title(view: View) -> str:
    """Returns the title of the page."""
    return f"MeshWG gate {_TITLES[stage(view)]}"


def counts(view: View) -> dict[str, int]:
    """Counts scenarios by verdict, and sabotages by outcome."""
    states = Counter(row.state for row in view.scenarios)
    breaks = Counter(row.state for row in view.sabotages)
    return {
        **{state: states[state] for state in ("proven", "refuted", "inconclusive", "running")},
        **{outcome: breaks[outcome] for outcome in ("noticed", "missed")},
        "scenarios": len(view.scenarios),
        "sabotages": len(view.sabotages),
    }
