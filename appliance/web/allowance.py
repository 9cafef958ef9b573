"""Rate limiting with a burst and a sustained rate, in bounded memory."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

# Number of oldest callers among which the one to forget is chosen.
_LOOKED_AT = 8


@dataclass(frozen=True)
class Rate:
    """Rate of at most ``amount`` in a burst, and over time ``amount`` in each ``seconds``."""

    amount: int
    seconds: float

    @property
    def interval(self) -> float:
        """Seconds in which one unit comes back."""
        return self.seconds / self.amount

    def times(self, factor: int) -> Rate:
        """Multiply the amount, for the same time."""
        return Rate(self.amount * factor, self.seconds)


class Allowance:
    """Rate limiter by caller, with one or several rates (GCRA: ITU-T I.371, annex A).

    One time is kept for each caller and rate: when the whole amount will be back. A caller past that time need not be
    remembered. Beyond ``most`` callers one is forgotten: among some of the least recently seen, the one whose amount is
    back first. So a heavy caller can't be displaced by requests under many names.

    Args:
        rates: all of them apply. A second rate with a larger amount over a longer time makes waits grow.
        most: number of remembered callers.
        clock: monotonic time in seconds.
    """

    def __init__(self, *rates: Rate, most: int = 50_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = rates
        self._most = most
        self._clock = clock
        self._whole_at: OrderedDict[bytes, tuple[float, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, who: str) -> float:
        """Take one unit and return 0, or take none and return the seconds until one is available."""
        key = _key(who)
        with self._lock:
            now = self._clock()
            known = self._whole_at.get(key, ())
            taken = tuple(
                max(now, whole_at) + rate.interval
                for rate, whole_at in zip(self._rates, known or [now] * len(self._rates), strict=True)
            )
            wait = max(whole_at - now - rate.seconds for rate, whole_at in zip(self._rates, taken, strict=True))
            # Tolerate rounding errors.
            if wait > 1e-6:
                self._whole_at.move_to_end(key)
                return wait
            self._whole_at[key] = taken
            self._whole_at.move_to_end(key)
            if len(self._whole_at) > self._most:
                self._forget_one()
            return 0.0

    def __len__(self) -> int:
        """Number of remembered callers."""
        return len(self._whole_at)

    def _forget_one(self) -> None:
        looked_at = list(islice(self._whole_at, _LOOKED_AT))
        forgotten = min(looked_at, key=lambda key: max(self._whole_at[key]))
        del self._whole_at[forgotten]
        for key in looked_at:
            if key != forgotten:
                self._whole_at.move_to_end(key)

    def spend(self, who: str, amount: float) -> None:
        """Take an amount that is known only after its use; a debt has to come back before anything else."""
        key = _key(who)
        with self._lock:
            now = self._clock()
            known = self._whole_at.pop(key, (now,) * len(self._rates))
            self._whole_at[key] = tuple(
                max(now, whole_at) + amount * rate.interval for rate, whole_at in zip(self._rates, known, strict=True)
            )
            if len(self._whole_at) > self._most:
                self._forget_one()

    def wait(self, who: str, amount: float = 0.0) -> float:
        """Get the seconds until this amount is available, or any at all if it is 0."""
        key = _key(who)
        with self._lock:
            now = self._clock()
            known = self._whole_at.get(key, (now,) * len(self._rates))
            return max(
                max(0.0, whole_at - now + amount * rate.interval - rate.seconds)
                for rate, whole_at in zip(self._rates, known, strict=True)
            )

    def give_back(self, who: str) -> None:
        """Return the unit that was taken last."""
        key = _key(who)
        with self._lock:
            known = self._whole_at.get(key)
            if known is None:
                return
            now = self._clock()
            whole_at = tuple(at - rate.interval for rate, at in zip(self._rates, known, strict=True))
            if max(whole_at) > now:
                self._whole_at[key] = whole_at
            else:
                # The whole amount is back, so the caller need not be remembered.
                del self._whole_at[key]


def _key(who: str) -> bytes:
    """Digest a caller to a fixed size, so that memory is bounded."""
    return hashlib.blake2b(who.encode("utf-8", "surrogatepass"), digest_size=16).digest()
