"""From scenarios to a claim, and from claims to the gate's word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from reports.schema import INCONCLUSIVE, PROVEN, REFUTED, Claim, Sabotage


class Judged(Protocol):
    """What has a verdict: a scenario, in a transcript or on its way there."""

    @property
    def verdict(self) -> str:
        """One of the three."""


def of_claim(scenarios: Sequence[Judged]) -> str:
    """Proven if every scenario is, and there is one; refuted if any is; else inconclusive."""
    verdicts = {scenario.verdict for scenario in scenarios}
    if REFUTED in verdicts:
        return REFUTED
    return PROVEN if verdicts == {PROVEN} else INCONCLUSIVE


def problems_of(claims: Iterable[Claim], sabotages: Sequence[Sabotage], *, broken: bool = True) -> list[str]:
    """Why the gate does not pass, one sentence each; it passes where there is none.

    A claim without a scenario is a problem, and so is one without a break that its scenarios notice: nobody knows then
    whether they could.

    Args:
        broken: whether breaks could be put into the service at all.
    """
    found = []
    for claim in claims:
        if not claim.scenarios:
            found.append(f"{claim.id} has no scenario.")
        elif claim.verdict != PROVEN:
            found.append(f"{claim.id} is {claim.verdict}.")
        if broken and not any(sabotage.claim == claim.id for sabotage in sabotages):
            found.append(f"{claim.id} has no sabotage.")
        found += [
            f"{scenario.name} is unstable: run again alike, it was proven."
            for scenario in claim.scenarios
            if scenario.is_unstable
        ]
    found += [
        f"The sabotage {sabotage.id} went unnoticed by {sabotage.claim}."
        for sabotage in sabotages
        if not sabotage.caught
    ]
    return found
