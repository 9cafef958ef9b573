"""Plan of a run of the gate: what of it runs, and by which profile."""

from __future__ import annotations

from dataclasses import dataclass

from harness.gate.claims import CLAIMS, PublishedClaim
from harness.gate.runs import RunOptions
from harness.sabotage import draw
from harness.sabotage.catalogue import SABOTAGES
from harness.sabotage.entry import Sabotage
from harness.world.conditions import CHOICES

MUTANTS = 40
"""Mutants of a full run of everything."""


@dataclass(frozen=True)
class GatePlan:
    """Options of the gate.

    Attributes:
        options: options of each run.
        sabotages_only: True for the sabotages without the scenarios.
        minutes: time for rounds of the scenarios, each with its own seed; None for one round.
        mutants: number of mutants to try after scenarios and sabotages.
    """

    options: RunOptions
    sabotages_only: bool = False
    minutes: float | None = None
    mutants: int = 0

    @property
    def profile(self) -> str:
        """Name of the profile: quick, full or soak."""
        return self.options.profile if self.minutes is None else "soak"

    @property
    def is_full(self) -> bool:
        """True for one full round of everything, which also checks the API against its OpenAPI document."""
        return self.profile == "full" and self._is_everything

    @property
    def claims(self) -> list[PublishedClaim]:
        """Claims whose scenarios run."""
        wanted = [claim for claim in CLAIMS if self.options.claim in (None, claim.id)]
        return [] if self.sabotages_only else wanted

    @property
    def sabotages(self) -> list[Sabotage]:
        """Sabotages that are tried: those that the seed draws if a quick run is of all claims, else all of them."""
        draws = self.profile == "quick" and self._is_everything
        return draw.drawn(self._sabotages, self.options.seed) if draws else self._sabotages

    @property
    def untried(self) -> list[Sabotage]:
        """Sabotages that are left to runs with another seed, and to full ones."""
        tried = self.sabotages
        return [each for each in self._sabotages if each not in tried]

    @property
    def unusual(self) -> dict[str, str]:
        """Options that change what runs draw, allow or judge, by name, unless they are the usual ones."""
        options = self.options
        found = {} if options.wireguard == "auto" else {"wireguard": options.wireguard}
        found |= {name: value for name in CHOICES if (value := getattr(options, name)) is not None}
        if options.patience != 1:
            found["patience"] = f"{options.patience:g}"
        if self.mutants != (MUTANTS if self.is_full else 0):
            found["mutants"] = str(self.mutants)
        return found

    @property
    def _sabotages(self) -> list[Sabotage]:
        # A service that others run is not sabotaged.
        return [each for each in SABOTAGES if self.options.claim in (None, each.claim) and self.options.live is None]

    @property
    def _is_everything(self) -> bool:
        return self.options.claim is None and self.options.live is None and not self.sabotages_only
