"""Summary of one run of scenarios for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.gate.claims import CLAIMS
from harness.gate.results import ScenarioResult
from reports.verdict import of_claim

_LONGEST = 160


def summary(outcomes: Sequence[ScenarioResult]) -> Iterator[str]:
    """Yields a line for each claim that has scenarios in the run, and a line for each scenario that is not proven."""
    for claim in CLAIMS:
        own = [each for each in outcomes if each.claim == claim.id]
        if own:
            yield f"{of_claim(own):12} {claim.id}"
        for each in own:
            if not each.is_proven:
                reason = (each.failure or "").partition("\n")[0]
                yield f"{'':12}   {each.name} is {each.verdict}: {reason[:_LONGEST]}"
