"""Conditions of a scenario, drawn by the seed so that no transcript is of one corner: addresses, loss, order."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

OUTSIDE = ("IPv4", "IPv6")
"""Families of the addresses by which machines reach the hub."""
LOSS = ("none", "initiations", "responses")
"""Kinds of loss on the underlay: none, of the first initiation of each fourth machine, or of its first response."""
REORDER = ("none", "messages")
"""Kinds of reordering on the underlay: none, or of WireGuard's messages (`harness.wire.reordering`)."""
STORES = ("SQLite", "PostgreSQL")
"""Stores of the lab's own service."""
CHOICES = {"outside": OUTSIDE, "loss": LOSS, "reorder": REORDER, "store": STORES}
"""Choices for each condition, by the name of its option."""

# A lost message costs 5 s of time (WireGuard's REKEY_TIMEOUT), so most scenarios lose none.
_LOSS_WEIGHTS = (6, 1, 1)
# Most scenarios find the least delay where nothing is held back.
_REORDER_WEIGHTS = (3, 1)
# A PostgreSQL takes a run some seconds to start.
_STORE_WEIGHTS = (3, 1)


@dataclass(frozen=True)
class Conditions:
    """Conditions of the lab while a scenario runs.

    Attributes:
        outside: one of `OUTSIDE`.
        loss: one of `LOSS`.
        reorder: one of `REORDER`.
    """

    outside: str = "IPv4"
    loss: str = "none"
    reorder: str = "none"

    def in_words(self) -> dict[str, str]:
        """Returns the conditions for the transcript."""
        lost = "nothing" if self.loss == "none" else f"the first of the handshake {self.loss}, for each fourth machine"
        late = "nothing" if self.reorder == "none" else "single messages of each session"
        return {"outside": self.outside, "lost": lost, "reordered": late}


def draw(seed: int, scenario: str, wanted: Mapping[str, str | None], fixed: Mapping[str, str]) -> Conditions:
    """Draws the conditions of a scenario, the same for the same seed and name.

    Args:
        seed: seed of the run.
        scenario: name of the scenario, without parameters.
        wanted: conditions that the run's options name; None for those to draw.
        fixed: conditions without which the scenario shows nothing; they come first.
    """
    chance = random.Random(f"conditions {seed} {scenario}")  # noqa: S311 - a choice, no secret
    drawn = {
        "outside": chance.choice(OUTSIDE),
        "loss": chance.choices(LOSS, _LOSS_WEIGHTS)[0],
        "reorder": chance.choices(REORDER, _REORDER_WEIGHTS)[0],
    }
    return Conditions(**drawn | {name: value for name, value in wanted.items() if value is not None} | dict(fixed))


def draw_store(seed: int, run: str) -> str:
    """Draws the store of a run's service, which all scenarios of the run share.

    Args:
        seed: seed of the gate.
        run: name of the run.
    """
    return random.Random(f"store {seed} {run}").choices(STORES, _STORE_WEIGHTS)[0]  # noqa: S311 - a choice, no secret
