"""What a scenario can come to."""

from __future__ import annotations

from enum import Enum


class Verdict(str, Enum):
    """Of a scenario, and of the claim that it speaks of."""

    PROVEN = "proven"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"


class Refuted(AssertionError):
    """The claim is false: this was measured against it."""


class Inconclusive(Exception):
    """Nothing was shown either way: a control did not hold, or the lab itself failed."""
