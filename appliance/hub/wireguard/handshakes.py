"""Ages of handshakes, whatever was done to the clock since.

WireGuard tells the moment of a handshake by the wall clock, which may be set back: then a machine that is silent for
long seems to have been there just now. So each moment that is new is noted by a clock that nobody sets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from appliance.host.clocks import boottime
from appliance.model.desired import PeerStatus

_SAME_S = 2.0


@dataclass
class _Look:
    """Moments that were told of an organization's machines at the last look.

    Attributes:
        at: when it was, in steady seconds; None before the first one.
        known: the moment that WireGuard told for a public key, and the steady second that it was.
    """

    at: float | None = None
    known: dict[str, tuple[int, float]] = field(default_factory=dict)

    def moment_of(self, public_key: str, told: int, age: float, steady: float) -> float:
        """Give the steady second of a handshake.

        Args:
            told: its moment, as WireGuard tells it.
            age: how long ago that is by the wall clock.
            steady: the present second.
        """
        if public_key in self.known:
            known, at = self.known[public_key]
            # boringtun tells how long ago it was, so that its moment moves with the clock.
            if known == told or abs(age - (steady - at)) <= _SAME_S:
                return at
        most = age if self.at is None else steady - self.at
        return steady - max(0.0, min(age, most))


class Handshakes:
    """Remembers when handshakes were, for as many machines as there are.

    Args:
        wall: seconds since the epoch, as WireGuard reads them.
        steady: seconds of a clock that is never set.
    """

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = boottime) -> None:
        self._wall = wall
        self._steady = steady
        self._looks: dict[str, _Look] = {}

    def dated(self, organization: str, statuses: Collection[PeerStatus]) -> Sequence[PeerStatus]:
        """Give what WireGuard tells with moments that fit the clock as it is set now.

        A moment in the future counts as now. One that is new was not before the last look, however the clock was set
        between. Calls for one organization must not overlap.
        """
        wall, steady = self._wall(), self._steady()
        before = self._looks.get(organization, _Look())
        now = _Look(steady)
        dated = []
        for status in statuses:
            told = status.last_handshake
            if told:
                at = before.moment_of(status.public_key, told, wall - told, steady)
                now.known[status.public_key] = (told, at)
                moment = wall - (steady - at)
                if abs(moment - told) > _SAME_S:
                    status = replace(status, last_handshake=int(moment))
            dated.append(status)
        self._looks[organization] = now
        return dated

    def forget(self, organization: str) -> None:
        """Drop what is known of an organization that is gone."""
        self._looks.pop(organization, None)
