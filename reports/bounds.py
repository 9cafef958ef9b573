"""Bound of a claim: the largest count of none that a run measured for it."""

from __future__ import annotations

from collections.abc import Iterable

from reports.schema import Scenario
from reports.texts import figure


def bound_of(scenarios: Iterable[Scenario]) -> str:
    """Describes the measurement that found none among most chances, with the share that this leaves possible.

    Args:
        scenarios: results of a claim; only proven ones count.

    Returns:
        Name and figure; empty if no scenario counted none among known chances.
    """
    most, words = 0, ""
    for scenario in scenarios:
        for name, value in scenario.measured.items() if scenario.is_proven else ():
            chances = value.get("of") if isinstance(value, dict) and value.get("value") == 0 else None
            if type(chances) is int and chances > most:
                most, words = chances, f"{name}: {figure(value)}"
    return words
