"""How often somebody may do something: so much at once, and so much over time, in memory that is bounded."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

# Of how many the one is chosen that is forgotten.
_LOOKED_AT = 8


@dataclass(frozen=True)
class Rate:
    """At most ``amount`` at once, and over time ``amount`` in each ``seconds``."""

    amount: int
    seconds: float

    @property
    def interval(self) -> float:
        """Seconds until one of a used up amount comes back."""
        return self.seconds / self.amount

    def times(self, factor: int) -> Rate:
        """So many times as much in the same time."""
        return Rate(self.amount * factor, self.seconds)


class Allowance:
    """Counts by whom, within one or several rates (GCRA: ITU-T I.371, annex A).

    One point in time is kept for each caller and rate: when the whole amount will be back. A caller past that is as
    good as unknown. When there are too many, one is forgotten: of some that were not seen for longest, the one whose
    amount is back first. So nobody has a caller forgotten that used up much by asking in many names.

    Args:
        rates: all of them hold. A longer one with a larger amount makes waits grow for who goes on.
        most: how many are remembered.
        clock: seconds that only grow.
    """

    def __init__(self, *rates: Rate, most: int = 50_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = rates
        self._most = most
        self._clock = clock
        self._whole_at: OrderedDict[bytes, tuple[float, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, who: str) -> float:
        """Takes one and gives 0, or takes none and gives the seconds until there is one."""
        key = _key(who)
        with self._lock:
            now = self._clock()
            known = self._whole_at.get(key, ())
            taken = tuple(
                max(now, whole_at) + rate.interval
                for rate, whole_at in zip(self._rates, known or [now] * len(self._rates), strict=True)
            )
            wait = max(whole_at - now - rate.seconds for rate, whole_at in zip(self._rates, taken, strict=True))
            # A float's last digit is not worth a wait.
            if wait > 1e-6:
                self._whole_at.move_to_end(key)
                return wait
            self._whole_at[key] = taken
            self._whole_at.move_to_end(key)
            if len(self._whole_at) > self._most:
                self._forget_one()
            return 0.0

    def __len__(self) -> int:
        """How many callers are remembered."""
        return len(self._whole_at)

    def _forget_one(self) -> None:
        looked_at = list(islice(self._whole_at, _LOOKED_AT))
        forgotten = min(looked_at, key=lambda key: max(self._whole_at[key]))
        del self._whole_at[forgotten]
        for key in looked_at:
            if key != forgotten:
                self._whole_at.move_to_end(key)

    def spend(self, who: str, amount: float) -> None:
        """Takes this amount, known only after it was used; more than there is has to come back before anything else."""
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
        """Seconds until this amount is there, or anything at all; 0 where it is."""
        key = _key(who)
        with self._lock:
            now = self._clock()
            known = self._whole_at.get(key, (now,) * len(self._rates))
            return max(
                max(0.0, whole_at - now + amount * rate.interval - rate.seconds)
                for rate, whole_at in zip(self._rates, known, strict=True)
            )

    def give_back(self, who: str) -> None:
        """What was taken last did not count after all."""
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
                # As good as unknown again, and so not remembered: what is refused elsewhere takes no room here.
                del self._whole_at[key]


def _key(who: str) -> bytes:
    """Of one length, however long the text is that somebody sent."""
    return hashlib.blake2b(who.encode("utf-8", "surrogatepass"), digest_size=16).digest()
