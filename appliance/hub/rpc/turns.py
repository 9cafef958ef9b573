"""The hub's time, shared among organizations: the work of one waits behind its own.

A change of a large policy may take seconds of a processor, and the hub has few. So an organization's changes come one
after the other, a few organizations are worked for at once, and the next is one that had little of the hub's time
lately. Organizations that had much may never have every place. One that had more than its share is refused for a
while. Restoring and healing have threads of their own and don't wait here.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from appliance.hub.errors import Crowded
from appliance.hub.rpc.callers import Caller

log = structlog.get_logger()

SHARE_S = 20.0
"""Seconds of a processor that an organization's changes may take within about a minute."""

_PLACES = 4
_PLACES_OF_BUSY = 2
_BUSY_S = 0.5
_MOST_WAITING = 8
_MINUTE_S = 60.0
_LOOK_S = 1.0
_MOST_KNOWN = 10_000


@dataclass(frozen=True)
class _Used:
    """Time that an organization had, which is forgotten bit by bit: after a minute, two thirds of it."""

    seconds: float
    at: float

    def by(self, now: float) -> float:
        return self.seconds * math.exp((self.at - now) / _MINUTE_S)


@dataclass(frozen=True, eq=False)
class _Ticket:
    organization: str
    number: int
    is_large: bool


class Turns:
    """Gives calls their turns at what takes time; safe to share between threads.

    Args:
        places: organizations that are worked for at once.
        of_busy: how many of them may be such as had much time lately, or ask for something large.
        clock: seconds that only grow.
        worked: seconds of a processor that the thread which asks has had.
    """

    def __init__(
        self,
        places: int = _PLACES,
        of_busy: int = _PLACES_OF_BUSY,
        clock: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.thread_time,
    ) -> None:
        self._places = places
        self._of_busy = of_busy
        self._clock = clock
        self._worked = worked
        self._changed = threading.Condition()
        self._waiting: dict[str, deque[_Ticket]] = {}
        self._running: dict[str, _Ticket] = {}
        self._used: dict[str, _Used] = {}
        self._numbers = 0
        self._seconds = 0.0
        self._longest_wait_s = 0.0
        self._refused: Counter[str] = Counter()
        self._logged: dict[str, float] = {}

    @contextmanager
    def turn(self, organization: str, caller: Caller, *, is_large: bool = False) -> Iterator[None]:
        """Waits for a place, and counts what the block takes against the organization.

        Args:
            is_large: whether it may take long, also where the organization had little time so far.

        Raises:
            Crowded: too many of the organization's calls wait already, or it had more than its share.
            GivenUp: the caller went while it waited.
        """
        self._wait(organization, caller, is_large=is_large)
        began = self._worked()
        try:
            yield
        finally:
            self._leave(organization, self._worked() - began)

    def figures(self) -> dict[str, float]:
        """How it went since the start, by the names that `messages.HubStatus.work` has."""
        with self._changed:
            return {
                "seconds": self._seconds,
                "longest_wait_seconds": self._longest_wait_s,
                "waiting": sum(map(len, self._waiting.values())),
                "refused_waiting": self._refused["waiting"],
                "refused_share": self._refused["share"],
            }

    def _wait(self, organization: str, caller: Caller, *, is_large: bool) -> None:
        came = self._clock()
        with self._changed:
            self._check(organization, came)
            self._numbers += 1
            ticket = _Ticket(organization, self._numbers, is_large)
            self._waiting.setdefault(organization, deque()).append(ticket)
            try:
                while self._next() is not ticket:
                    self._changed.wait(_LOOK_S)
                    caller.must_wait()
                self._running[organization] = ticket
            finally:
                queue = self._waiting[organization]
                queue.remove(ticket)
                if not queue:
                    del self._waiting[organization]
                # There may be a place for the one after it, too.
                self._changed.notify_all()
            self._longest_wait_s = max(self._longest_wait_s, self._clock() - came)

    def _leave(self, organization: str, seconds: float) -> None:
        with self._changed:
            now = self._clock()
            del self._running[organization]
            self._seconds += seconds
            self._used[organization] = _Used(self._had(organization, now) + seconds, now)
            if len(self._used) > _MOST_KNOWN:
                self._used = {each: used for each, used in self._used.items() if used.by(now) > _BUSY_S / 10}
                self._logged = {each: at for each, at in self._logged.items() if now - at < _MINUTE_S}
            self._changed.notify_all()

    def _check(self, organization: str, now: float) -> None:
        if len(self._waiting.get(organization, ())) >= _MOST_WAITING:
            self._refuse("waiting", organization)
            raise Crowded("Too many changes of your organization wait already. Try again in a second.", retry_after=1)
        had = self._had(organization, now)
        if had > SHARE_S:
            seconds = math.ceil(_MINUTE_S * math.log(had / SHARE_S))
            self._refuse("share", organization)
            raise Crowded(
                f"Changes of your organization took {had:.0f} seconds of a processor within a minute, and its share "
                f"is {SHARE_S:.0f}. Try again in {seconds} seconds; a smaller policy takes less.",
                retry_after=seconds,
            )

    def _refuse(self, reason: str, organization: str) -> None:
        self._refused[reason] += 1
        now = self._clock()
        if now - self._logged.get(organization, -math.inf) >= _MINUTE_S:
            self._logged[organization] = now
            log.warning("changes beyond an organization's share are refused", organization=organization, of=reason)

    def _had(self, organization: str, now: float) -> float:
        used = self._used.get(organization)
        return 0.0 if used is None else used.by(now)

    def _next(self) -> _Ticket | None:
        """The ticket whose turn it is, if there is a place for it."""
        if len(self._running) >= self._places:
            return None
        now = self._clock()
        busy_at_work = sum(self._is_busy(each, now) for each in self._running.values())
        heads = [queue[0] for each, queue in self._waiting.items() if each not in self._running]
        if busy_at_work >= self._of_busy:
            heads = [each for each in heads if not self._is_busy(each, now)]
        # Among those that had little, who came first is first, so that newcomers can't keep anybody waiting.
        return min(heads, key=lambda each: (self._weight(each.organization, now), each.number), default=None)

    def _is_busy(self, ticket: _Ticket, now: float) -> bool:
        return ticket.is_large or self._had(ticket.organization, now) > _BUSY_S

    def _weight(self, organization: str, now: float) -> float:
        had = self._had(organization, now)
        return had if had > _BUSY_S else 0.0
