"""Share of the sabotages that a quick gate of all claims tries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from harness.sabotage.entry import Sabotage

SHARE = 4
"""A run tries one of so many sabotages of each claim. They test the scenarios, and all scenarios run each time."""


def drawn(sabotages: Sequence[Sabotage], seed: int) -> list[Sabotage]:
    """Returns a quarter of each claim's sabotages, but one at least, in their order.

    Runs with four consecutive seeds have all of them.
    """
    by_claim = defaultdict(list)
    for each in sabotages:
        by_claim[each.claim].append(each)
    turns = {claim: min(SHARE, len(own)) for claim, own in by_claim.items()}
    return [each for each in sabotages if (by_claim[each.claim].index(each) - seed) % turns[each.claim] == 0]
