"""Traces of what hubs did with their gates, and the model's properties of them (`ownership.pml`).

Every host of a lab has the same clock. A step has the times before and after its call, because its process may be
stopped at any moment between them: what is judged is only when a gate was certainly open.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, pairwise
from pathlib import Path

from appliance.cluster.tenure import Gate
from appliance.host.clocks import boottime

OWNS, OFFERS, ACCEPTS, SHUTS = "owns", "offers", "accepts", "shuts"


@dataclass(frozen=True)
class Step:
    """A step of one hub.

    Attributes:
        hub: its name.
        what: kind of step.
        before, after: times of the call; seconds since the boot.
        value: token of `OWNS`, seconds of `OFFERS`.
    """

    hub: str
    what: str
    before: float
    after: float
    value: float = 0.0


@dataclass(frozen=True)
class Trace:
    """File to which hubs append their steps, each in one write."""

    file: Path

    def note(self, hub: str, what: str, act: Callable[[], None], value: float = 0.0) -> None:
        """Makes a step, and writes it down when it is made."""
        before = boottime()
        act()
        line = json.dumps(asdict(Step(hub, what, before, boottime(), value))) + "\n"
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def steps(self) -> list[Step]:
        """All steps so far, in the order in which they were written."""
        return [Step(**json.loads(line)) for line in self.file.read_text().splitlines()]


@dataclass
class TracedGate:
    """Gate whose steps are written down."""

    gate: Gate
    trace: Trace
    hub: str

    def offer(self, seconds: float) -> None:
        self.trace.note(self.hub, OFFERS, lambda: self.gate.offer(seconds), seconds)

    def accept(self) -> None:
        self.trace.note(self.hub, ACCEPTS, self.gate.accept)

    def shut(self) -> None:
        self.trace.note(self.hub, SHUTS, self.gate.shut)


def open_times(steps: Iterable[Step]) -> list[tuple[float, float]]:
    """Times from and to which the gate of one hub was certainly open."""
    found = list[tuple[float, float]]()
    offered = 0.0
    for step in steps:
        if step.what == OFFERS:
            offered = step.before + step.value
        elif step.what == ACCEPTS:
            found.append((step.after, offered))
        elif step.what == SHUTS:
            found = [(begin, min(end, step.before)) for begin, end in found]
    return [(begin, end) for begin, end in found if begin < end]


def violations(steps: Sequence[Step]) -> list[str]:
    """Breaks of the model's properties in a trace: two gates open at once, or a token that is not the greatest."""
    hubs = sorted({step.hub for step in steps})
    opened = {hub: open_times(step for step in steps if step.hub == hub) for hub in hubs}
    found = [
        f"{first} and {second} were open together for {min(ends, ended) - max(begins, began):.3f} s"
        for first, second in combinations(hubs, 2)
        for began, ended in opened[first]
        for begins, ends in opened[second]
        if max(begins, began) < min(ends, ended)
    ]
    tokens = [(step.value, step.hub) for step in sorted(steps, key=lambda each: each.after) if step.what == OWNS]
    return found + [
        f"{after[1]} owned by token {after[0]:.0f} after {before[1]} by {before[0]:.0f}"
        for before, after in pairwise(tokens)
        if after[0] <= before[0]
    ]
