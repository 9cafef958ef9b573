"""Limits of the handshakes that one organization may request."""

from __future__ import annotations

import time
from collections.abc import Callable

from appliance.hub.front_door.token_bucket import TokenBucket

# A machine that is connected shakes hands every two minutes. One that gets no answer asks again after five seconds, and
# after a power cut all do at once.
_MACHINES_OF_ONE_PER_S = 20
_AT_ONCE_PER_MACHINE = 4


class Share:
    """An organization's handshake limits, by its size. Known sources have a limit apart, which no stranger can use up.

    Args:
        machines: number of its machines.
        clock: monotonic seconds.
    """

    def __init__(self, machines: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._known, self._strangers = (TokenBucket(*each, clock) for each in paces(machines))

    def fit(self, machines: int) -> None:
        """Adapt the limits to another number of machines."""
        known, strangers = paces(machines)
        self._known.change(*known)
        self._strangers.change(*strangers)

    def take(self, is_known: bool) -> bool:
        """Take a token, if there is one; tell whether there was.

        Args:
            is_known: True for a source that has authenticated itself before.
        """
        return (self._known if is_known else self._strangers).take()


def paces(machines: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Rate per second and burst of known sources, and those of strangers, for a number of machines."""
    more, burst = machines / _MACHINES_OF_ONE_PER_S, machines * _AT_ONCE_PER_MACHINE
    return (5 + more, 50 + burst), (20 + more, 100 + burst)
