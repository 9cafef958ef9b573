"""Memory of the processor time that organizations used lately."""

from __future__ import annotations

import math
from dataclasses import dataclass

MINUTE_S = 60.0
_MOST_KNOWN = 10_000


@dataclass(frozen=True)
class _Used:
    """Processor time used by an organization."""

    seconds: float
    at: float

    def decayed(self, now: float) -> float:
        return self.seconds * math.exp((self.at - now) / MINUTE_S)


class Usage:
    """Processor time by organization, which decays: after a minute, two thirds of it are forgotten.

    Args:
        most: number of organizations above which those that used little are forgotten.
        little_s: processor seconds that count as little.
    """

    def __init__(self, little_s: float, most: int = _MOST_KNOWN) -> None:
        self._little_s = little_s
        self._most = most
        self._used: dict[str, _Used] = {}

    def __len__(self) -> int:
        """Number of organizations that are remembered."""
        return len(self._used)

    def of(self, organization: str, now: float) -> float:
        """Processor seconds that are left of what the organization used; 0 if it is unknown."""
        used = self._used.get(organization)
        return 0.0 if used is None else used.decayed(now)

    def add(self, organization: str, seconds: float, now: float) -> None:
        self._used[organization] = _Used(self.of(organization, now) + seconds, now)
        if len(self._used) > self._most:
            self._used = {each: used for each, used in self._used.items() if used.decayed(now) > self._little_s}
