"""Rests between two notings of where an organization's machines are: pure.

Each handshake from a new place asks for a noting, which costs the more the more machines there are. So the rests bound
what one machine that moves all the time can cost, and are short for a few machines that connect one after the other.
"""

from __future__ import annotations

_FIRST_S, _LONGEST_S = 0.1, 5.0
_MULTIPLE = 9
"""Least rest in multiples of a noting's time."""
_MOST_DOUBLINGS = 32


class NoteRests:
    """Ends of the rests by organization. Each rest in a row is twice as long as the one before, up to the longest.

    Args:
        first_s: first rest of an organization whose last one ended long ago; seconds.
        longest_s: rest beyond which only slow notings lead; seconds. A pause of this length ends the row.
    """

    def __init__(self, first_s: float = _FIRST_S, longest_s: float = _LONGEST_S) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        # By organization, the end of its rest, and the number of rests in the row.
        self._rests: dict[str, tuple[float, int]] = {}

    def end_of(self, organization: str) -> float:
        """Earliest time of the organization's next noting; 0 if there is none to wait for."""
        return self._rests.get(organization, (0.0, 0))[0]

    def begin(self, organization: str, began: float, now: float) -> float:
        """Begin the rest from a noting; return its end.

        Args:
            began: time at which the noting began; monotonic seconds.
            now: time at which it ended.
        """
        self._rests = {name: rest for name, rest in self._rests.items() if rest[0] + self._longest_s > began}
        _, row = self._rests.get(organization, (0.0, 0))
        rest = max(min(self._first_s * 2.0**row, self._longest_s), _MULTIPLE * (now - began))
        self._rests[organization] = now + rest, min(row + 1, _MOST_DOUBLINGS)
        return now + rest
