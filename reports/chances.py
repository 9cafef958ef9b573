"""Bounds on a share of which a sample was counted."""

from __future__ import annotations

import math
from collections.abc import Callable

CONFIDENCE = 0.95
_STEPS = 60
"""Halvings of an interval: more than a float has bits."""
_ROUNDED_TO = 2
"""Digits of a bound in words."""


def upper_bound(of: int) -> float:
    """Returns the largest share that is compatible, one-sided, with none among independent chances.

    Args:
        of: number of chances, at least one.
    """
    return -math.expm1(math.log1p(-CONFIDENCE) / of)


def fewer_than(of: int) -> int | None:
    """Returns the N of "fewer than 1 in N" for none among independent chances, rounded down to two digits.

    Args:
        of: number of chances.

    Returns:
        N; None if the chances are too few to say more than "not always".
    """
    if of < 1:
        return None
    times = int(1 / upper_bound(of))
    unit = 10 ** max(0, len(str(times)) - _ROUNDED_TO)
    rounded = times // unit * unit
    return rounded if rounded > 1 else None


def clopper_pearson(found: int, of: int) -> tuple[float, float]:
    """Returns the exact two-sided interval of Clopper and Pearson for a share.

    Args:
        found: number of successes.
        of: number of independent trials, at least one.

    Returns:
        Its lower and its upper end.
    """
    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if found == 0 else _share_at(lambda share: 1 - _at_most(found - 1, of, share) >= tail)
    high = 1.0 if found == of else _share_at(lambda share: _at_most(found, of, share) <= tail)
    return low, high


def _share_at(is_reached: Callable[[float], bool]) -> float:
    """Returns the least share at which a condition holds that then goes on to hold."""
    below, above = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (below + above) / 2
        below, above = (below, middle) if is_reached(middle) else (middle, above)
    return above


def _at_most(found: int, of: int, share: float) -> float:
    """Probability of so many successes or fewer."""
    return math.fsum(math.comb(of, each) * share**each * (1 - share) ** (of - each) for each in range(found + 1))
