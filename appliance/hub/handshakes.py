"""How long ago machines shook hands, whatever was done to the clock since.

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
    """What was told of an organization's machines at the last look.

    Attributes:
        at: when it was, in steady seconds; None before the first one.
        known: the moment that WireGuard told for a public key, and the steady second that it was.
    """

    at: float | None = None
    known: dict[str, tuple[int, float]] = field(default_factory=dict)


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
                known = before.known.get(status.public_key)
                at = known[1] if known is not None and known[0] == told else steady - _age(wall - told, steady, before)
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


def _age(told: float, steady: float, before: _Look) -> float:
    most = told if before.at is None else steady - before.at
    return max(0.0, min(told, most))
