"""Calls to the machines behind the front door, beside the looks after it.

A damaged door may have let packets out from the links' own ports, and machines send to these since: closed. What
reaches them from the public port sets that right. All calls together take the longer the more organizations there are,
so no look waits for them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from appliance.hub.errors import Occupied, complain

_FIRST_S = 0.05
"""A machine takes no two handshakes of one peer within 34 ms (their timestamps may be equal then)."""

_LAST_S = 5.5
"""WireGuard sends no two handshakes within 5 s: a machine whose last one was lost is called once more after that."""

_AGAIN_S = 0.05

Call = Callable[[str, float], None]


@dataclass(frozen=True)
class _Due:
    """An organization whose machines are to be called.

    Attributes:
        at: not before; monotonic seconds.
        misled_until: when the door was put right.
        is_last: whether they have been called since.
    """

    at: float
    misled_until: float
    is_last: bool = False


class MachineCalls:
    """Has the machines of every organization called, one organization after the other, by a thread of its own.

    However often the door is damaged meanwhile, each organization is due once.

    Args:
        organizations: tells which there are.
        call: calls the machines of one, which may have been misled until an instant of monotonic seconds.
    """

    def __init__(self, organizations: Callable[[], Iterable[str]], call: Call) -> None:
        self._organizations = organizations
        self._call = call
        self._due: dict[str, _Due] = {}
        self._counts = {"made": 0, "failed": 0}
        self._changed = threading.Condition()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._work, name="hub-call", daemon=True)

    def start(self) -> None:
        """Begins to call."""
        self._thread.start()

    def stop(self) -> None:
        """Ends with the call that is under way."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def call_all(self, misled_until: float) -> None:
        """Every organization's machines are due. Returns at once.

        Args:
            misled_until: when the door was put right; monotonic seconds.
        """
        with self._changed:
            self._due = {each: _Due(misled_until + _FIRST_S, misled_until) for each in self._organizations()}
            self._changed.notify()

    def figures(self) -> dict[str, int]:
        """Numbers of organizations that are due, and of calls that were made and that failed since the start."""
        return {"due": len(self._due), **self._counts}

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            organization, due = taken
            again = self._make(organization, due)
            if again is not None:
                with self._changed:
                    self._due.setdefault(organization, again)

    def _take(self) -> tuple[str, _Due] | None:
        with self._changed:
            while not self._is_stopped:
                # Those that were put off come after those that never had a turn.
                organization = min(self._due, key=lambda each: self._due[each].at, default=None)
                if organization is None:
                    self._changed.wait()
                elif (wait := self._due[organization].at - time.monotonic()) > 0:
                    self._changed.wait(wait)
                else:
                    return organization, self._due.pop(organization)
            return None

    def _make(self, organization: str, due: _Due) -> _Due | None:
        """Returns when to call again."""
        try:
            self._call(organization, due.misled_until)
        except Occupied:
            # Somebody's long change must not keep others waiting.
            return _Due(time.monotonic() + _AGAIN_S, due.misled_until, due.is_last)
        except Exception as error:  # noqa: BLE001 - it is logged
            # A link that can't be asked is made anew, which begins handshakes; and the others are to be called.
            self._counts["failed"] += 1
            complain("machines can't be called", error, organization=organization)
            return None
        self._counts["made"] += 1
        return None if due.is_last else _Due(due.misled_until + _LAST_S, due.misled_until, is_last=True)
