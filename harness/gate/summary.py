"""What the claims came to in one run of scenarios, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.gate.claims import CLAIMS
from harness.gate.results import ScenarioResult
from reports.verdict import of_claim

_LONGEST = 160


def summary(outcomes: Sequence[ScenarioResult]) -> Iterator[str]:
    """A line for each claim that the run has scenarios of, and one for each of these that is not proven."""
    for claim in CLAIMS:
        own = [each for each in outcomes if each.claim == claim.id]
        if own:
            yield f"{of_claim(own):12} {claim.id}"
        for each in own:
            if not each.is_proven:
                reason = (each.failure or "").partition("\n")[0]
                yield f"{'':12}   {each.name} is {each.verdict}: {reason[:_LONGEST]}"
