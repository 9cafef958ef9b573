"""Calls to the machines behind the front door after damage to it.

A damaged door may have let packets out from the links' inner ports, so that machines send to these since, which are
closed. A packet from the public port corrects that. The time for all calls grows with the number of organizations, so
they have a thread of their own, and no check waits for them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from appliance.hub.errors import Occupied, log_error

DELAYS_S = (0.05, 0.5, 1.5, 5.5)
"""Times of the calls after the door's repair, in seconds.

A machine takes no two handshakes of one peer within 34 ms, because their timestamps may be equal then. wireguard-go
also drops the later of two that it reads within 20 ms, as a machine does that stood still. The last call is for
handshakes that WireGuard itself began, which it repeats after 5 s.
"""

_AGAIN_S = 0.05

Call = Callable[[str, float], None]


@dataclass(frozen=True)
class _DueCall:
    """A call of an organization's machines that is due.

    Attributes:
        at: earliest time of the call; monotonic seconds.
        misled_until: time of the door's repair; monotonic seconds.
        made: number of calls made since then.
    """

    at: float
    misled_until: float
    made: int = 0


class MachineCalls:
    """Calls the machines of every organization, one organization after the other, in a thread of its own.

    Each organization is due once, however often the door is damaged meanwhile.

    Args:
        organizations: returns all organizations.
        call: calls the machines of one organization, given the time of the door's repair in monotonic seconds.
        delays_s: times of the calls after the repair, in seconds.
    """

    def __init__(
        self, organizations: Callable[[], Iterable[str]], call: Call, delays_s: Sequence[float] = DELAYS_S
    ) -> None:
        self._organizations = organizations
        self._call = call
        self._delays_s = delays_s
        self._due: dict[str, _DueCall] = {}
        self._counts = {"made": 0, "failed": 0}
        self._changed = threading.Condition()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._work, name="hub-call-machines", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current call."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def call_all(self, misled_until: float) -> None:
        """Schedule calls of every organization's machines. Returns at once.

        Args:
            misled_until: time of the door's repair; monotonic seconds.
        """
        with self._changed:
            first = _DueCall(misled_until + self._delays_s[0], misled_until)
            self._due = dict.fromkeys(self._organizations(), first)
            self._changed.notify()

    def figures(self) -> dict[str, int]:
        """Numbers of due organizations, and of successful and failed calls since the start."""
        return {"due": len(self._due), **self._counts}

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            organization, due = taken
            again = self._make(organization, due)
            if again is not None:
                with self._changed:
                    self._due.setdefault(organization, again)

    def _take(self) -> tuple[str, _DueCall] | None:
        with self._changed:
            while not self._is_stopped:
                # Postponed calls come after first ones.
                organization = min(self._due, key=lambda each: self._due[each].at, default=None)
                if organization is None:
                    self._changed.wait()
                elif (wait := self._due[organization].at - time.monotonic()) > 0:
                    self._changed.wait(wait)
                else:
                    return organization, self._due.pop(organization)
            return None

    def _make(self, organization: str, due: _DueCall) -> _DueCall | None:
        """Call an organization's machines; return the next call if there is to be one."""
        try:
            self._call(organization, due.misled_until)
        except Occupied:
            # A long change of one organization must not delay the others.
            return _DueCall(time.monotonic() + _AGAIN_S, due.misled_until, due.made)
        except Exception as error:  # noqa: BLE001 - it is logged
            # A broken link is rebuilt, which begins handshakes; the thread has to go on with the others.
            self._counts["failed"] += 1
            log_error("machines can't be called", error, organization=organization)
            return None
        self._counts["made"] += 1
        made = due.made + 1
        if made == len(self._delays_s):
            return None
        return _DueCall(due.misled_until + self._delays_s[made], due.misled_until, made)
