"""Comparison of two runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reports.exhibits import Cell, Exhibit, TruthTable
from reports.schema import Transcript, Verdict
from reports.texts import outcome


@dataclass(frozen=True)
class Change:
    """A fact that differs between two runs.

    Attributes:
        name: what it is about.
        before: the fact in the first run; None if it has none.
        after: the fact in the second run; None if it has none.
        worse: True if it was right before and is not any more.
    """

    name: str
    before: str | None
    after: str | None
    worse: bool


@dataclass(frozen=True)
class Figure:
    """A number that both runs measured.

    Attributes:
        name: what was measured.
        before: the number in the first run.
        after: the number in the second run.
    """

    name: str
    before: float
    after: float

    @property
    def ratio(self) -> float | None:
        """Second number divided by the first; None if the first is 0."""
        return self.after / self.before if self.before else None


@dataclass(frozen=True)
class Difference:
    """All differences of two runs.

    Attributes:
        changes: facts that differ.
        figures: numbers that differ.
    """

    changes: tuple[Change, ...]
    figures: tuple[Figure, ...]

    @property
    def is_worse(self) -> bool:
        """True if anything that was right before is not any more."""
        return any(change.worse for change in self.changes)


def compare(before: Transcript, after: Transcript) -> Difference:
    """Compares verdicts, sabotages, exhibits, digests of what was tested, cells of truth tables, and numbers.

    Args:
        before: the first run.
        after: the second run.

    Returns:
        Everything that differs.
    """
    changes = [
        *_changes(_verdicts(before), _verdicts(after), good=Verdict.PROVEN),
        *_changes(_sabotages(before, after), _sabotages(after, before), good="noticed"),
        *_changes(_exhibits(before), _exhibits(after), good=""),
        *_changes(_software(before), _software(after), good=""),
        *_cells(before, after),
    ]
    old, new = _numbers(before), _numbers(after)
    figures = [Figure(name, old[name], new[name]) for name in old if name in new and old[name] != new[name]]
    return Difference(tuple(changes), tuple(figures))


def _changes(before: Mapping[str, str], after: Mapping[str, str], *, good: str) -> list[Change]:
    return [
        Change(name, before.get(name), after.get(name), worse=before.get(name) == good and after.get(name) != good)
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def _verdicts(run: Transcript) -> dict[str, str]:
    found = {claim.id: claim.verdict for claim in run.claims}
    return found | {f"{claim.id} / {each.name}": each.verdict for claim in run.claims for each in claim.scenarios}


def _sabotages(run: Transcript, other: Transcript) -> dict[str, str]:
    """Tells the outcome of each sabotage that the other run did not leave to other seeds."""
    tried = [each for each in run.sabotage if each.id not in other.untried]
    return {f"sabotage {each.id}": "noticed" if each.caught else "unnoticed" for each in tried}


def _exhibits(run: Transcript) -> dict[str, str]:
    # Which tables of many are the most telling is another matter with each seed.
    return {name: "shown" for name, each in _named(run) if not isinstance(each, TruthTable)}


def _software(run: Transcript) -> dict[str, str]:
    if run.tested is None:
        return {}
    found = {"scenarios": run.tested.scenarios, "packages": run.tested.packages_digest, **run.tested.locks}
    return {f"tested {name}": digest for name, digest in {"tree": run.tested.tree or "not known", **found}.items()}


def _cells(before: Transcript, after: Transcript) -> list[Change]:
    """Cells that both runs measured under the same policy, with different results."""
    old, new = _questions(before), _questions(after)
    return [
        Change(name, outcome(old[name]), outcome(new[name]), worse=old[name].is_right and not new[name].is_right)
        for name in old
        if name in new and outcome(old[name]) != outcome(new[name])
    ]


def _questions(run: Transcript) -> dict[str, Cell]:
    return {
        f"{name} ({each.policy}), {question}": cell
        for name, each in _named(run)
        if isinstance(each, TruthTable)
        for question, cell in each.cells().items()
    }


def _named(run: Transcript) -> Iterator[tuple[str, Exhibit]]:
    for claim in run.claims:
        for scenario in claim.scenarios:
            for exhibit in scenario.exhibits:
                yield f"{claim.id} / {scenario.name}: {exhibit.name}", exhibit


def _numbers(run: Transcript) -> dict[str, float]:
    found = {"seconds": run.seconds}
    for claim in run.claims:
        for scenario in claim.scenarios:
            for name, value in scenario.measured.items():
                parts = value if isinstance(value, dict) else {"value": value}
                for part, what in (("value", name), ("of", f"{name}: chances")):
                    number: Any = parts.get(part)
                    if isinstance(number, int | float) and not isinstance(number, bool):
                        found[f"{claim.id} / {scenario.name}: {what}"] = float(number)
            for exhibit in scenario.exhibits:
                for name, value in exhibit.numbers().items():
                    found[f"{claim.id} / {scenario.name}: {name}"] = float(value)
    return found
