"""Times of handshakes, corrected for changes of the wall clock.

WireGuard reports the time of a handshake by the wall clock, which may be set back: then a machine that was silent for
long seems to have been there just now. So each new handshake is also noted by a clock that is never set.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from appliance.host.clocks import HOST, HostClocks
from appliance.model.desired import PeerStatus

_SAME_S = 2.0


@dataclass
class _Look:
    """Handshakes of an organization's machines at the last look.

    Attributes:
        at: steady second of the look; None before the first one.
        known: for a public key, the time that WireGuard reported, and its steady second.
        latest: time of the latest handshake of all, corrected; 0 if there was none. Seconds since the epoch.
    """

    at: float | None = None
    known: dict[str, tuple[int, float]] = field(default_factory=dict)
    latest: float = 0.0

    def steady_second_of(self, public_key: str, reported: int, age: float, steady: float) -> float:
        """Compute the steady second of a handshake.

        Args:
            reported: its time as WireGuard reports it.
            age: seconds since then by the wall clock.
            steady: the present steady second.
        """
        if public_key in self.known:
            known, at = self.known[public_key]
            if known == reported:
                return at
            # Either boringtun, which reports the age, so that the time moves with the wall clock; or a new handshake
            # soon after the other. The age is right in both cases.
            if abs(age - (steady - at)) <= _SAME_S:
                return steady - max(0.0, age)
        most = age if self.at is None else steady - self.at
        return steady - max(0.0, min(age, most))


class Handshakes:
    """Remembers the last handshake of every machine.

    Args:
        clocks: clocks of the host; WireGuard reads its wall clock.
    """

    def __init__(self, clocks: HostClocks = HOST) -> None:
        self._clocks = clocks
        self._looks: dict[str, _Look] = {}

    def dated(self, organization: str, statuses: Collection[PeerStatus]) -> Sequence[PeerStatus]:
        """Replace the reported times of handshakes with times that fit the present setting of the wall clock.

        A time in the future counts as now. A new handshake was never before the last look. Calls for one organization
        must not overlap.
        """
        wall, steady = self._clocks.wall(), self._clocks.steady()
        before = self._looks.get(organization, _Look())
        now = _Look(steady)
        dated = []
        for status in statuses:
            reported = status.last_handshake
            if reported:
                at = before.steady_second_of(status.public_key, reported, wall - reported, steady)
                now.known[status.public_key] = (reported, at)
                corrected = wall - (steady - at)
                now.latest = max(now.latest, corrected)
                if abs(corrected - reported) > _SAME_S:
                    status = replace(status, last_handshake=int(corrected))
            dated.append(status)
        self._looks[organization] = now
        return dated

    def latest(self) -> dict[str, float]:
        """Time of the latest handshake of each organization that had one; seconds since the epoch."""
        return {organization: look.latest for organization, look in list(self._looks.items()) if look.latest}

    def forget(self, organization: str) -> None:
        """Drop the handshakes of a removed organization."""
        self._looks.pop(organization, None)
