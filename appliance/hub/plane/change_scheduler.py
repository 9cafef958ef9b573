"""Fair sharing of the hub's processor time among organizations.

A change of a large policy may take seconds of a processor. So an organization's changes run one after the other, only
a few organizations have a change running at a time, and those that used little time lately come first. Busy
organizations never get all slots. An organization above its share is refused for a while. Restoring and healing have
threads of their own and don't wait here.
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
from appliance.hub.plane.usage import MINUTE_S, Usage
from appliance.hub.rpc.callers import WaitingCaller
from appliance.model.plural import counted

log = structlog.get_logger()

SHARE_S = 20.0
"""Processor seconds that an organization's changes may take within about a minute."""

MOST_WAITING = 8
"""Most changes of an organization that wait at a time."""

_SLOTS = 4
_BUSY_SLOTS = 2
_BUSY_S = 0.5
_LOOK_S = 1.0
_MOST_LOGGED = 10_000


@dataclass(frozen=True, eq=False)
class _Ticket:
    organization: str
    number: int
    is_large: bool


class ChangeScheduler:
    """Schedules changes; safe to share between threads.

    Args:
        slots: most changes that run at a time, each of another organization.
        busy_slots: most of them that are large, or of organizations that used much time lately.
        clock: monotonic seconds.
        worked: processor seconds of the calling thread.
        look_s: seconds between two looks at whether a waiting caller is gone.
    """

    def __init__(
        self,
        slots: int = _SLOTS,
        busy_slots: int = _BUSY_SLOTS,
        clock: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.thread_time,
        look_s: float = _LOOK_S,
    ) -> None:
        self._slots = slots
        self._busy_slots = busy_slots
        self._clock = clock
        self._worked = worked
        self._look_s = look_s
        self._changed = threading.Condition()
        self._waiting: dict[str, deque[_Ticket]] = {}
        self._running: dict[str, _Ticket] = {}
        self._usage = Usage(_BUSY_S / 10)
        self._numbers = 0
        self._seconds = 0.0
        self._longest_wait_s = 0.0
        self._refused: Counter[str] = Counter()
        self._logged: dict[str, float] = {}

    @contextmanager
    def turn(self, organization: str, caller: WaitingCaller, *, is_large: bool = False) -> Iterator[None]:
        """Wait for a slot, and charge the block's processor time to the organization.

        Args:
            is_large: True if the change may take long, even if the organization used little time so far.

        Raises:
            Crowded: too many of the organization's calls wait already, or it used more than its share.
            GivenUp: the caller gave up while it waited.
        """
        self._wait(organization, caller, is_large=is_large)
        began = self._worked()
        try:
            yield
        finally:
            self._leave(organization, self._worked() - began)

    def figures(self) -> dict[str, float]:
        """Used time and waiting since the start, by the names of `messages.HubStatus.work`."""
        with self._changed:
            return {
                "seconds": self._seconds,
                "longest_wait_seconds": self._longest_wait_s,
                "waiting": sum(map(len, self._waiting.values())),
                "refused_waiting": self._refused["waiting"],
                "refused_share": self._refused["share"],
            }

    def _wait(self, organization: str, caller: WaitingCaller, *, is_large: bool) -> None:
        came = self._clock()
        with self._changed:
            self._check(organization, came)
            self._numbers += 1
            ticket = _Ticket(organization, self._numbers, is_large)
            self._waiting.setdefault(organization, deque()).append(ticket)
            try:
                while self._next() is not ticket:
                    self._changed.wait(self._look_s)
                    caller.check_waiting()
                self._running[organization] = ticket
            finally:
                queue = self._waiting[organization]
                queue.remove(ticket)
                if not queue:
                    del self._waiting[organization]
                # There may be a slot for the next one, too.
                self._changed.notify_all()
            self._longest_wait_s = max(self._longest_wait_s, self._clock() - came)

    def _leave(self, organization: str, seconds: float) -> None:
        with self._changed:
            now = self._clock()
            del self._running[organization]
            self._seconds += seconds
            self._usage.add(organization, seconds, now)
            self._changed.notify_all()

    def _check(self, organization: str, now: float) -> None:
        if len(self._waiting.get(organization, ())) >= MOST_WAITING:
            self._refuse("waiting", organization)
            raise Crowded("Too many changes of your organization wait already. Try again in a second.", retry_after=1)
        had = self._usage.of(organization, now)
        if had > SHARE_S:
            seconds = math.ceil(MINUTE_S * math.log(had / SHARE_S))
            self._refuse("share", organization)
            raise Crowded(
                f"Changes of your organization took {had:.0f} seconds of a processor within a minute, and its share "
                f"is {SHARE_S:.0f}. Try again in {counted(seconds, 'second')}; a smaller policy takes less.",
                retry_after=seconds,
            )

    def _refuse(self, reason: str, organization: str) -> None:
        self._refused[reason] += 1
        now = self._clock()
        if now - self._logged.get(organization, -math.inf) >= MINUTE_S:
            if len(self._logged) >= _MOST_LOGGED:
                self._logged = {each: at for each, at in self._logged.items() if now - at < MINUTE_S}
            self._logged[organization] = now
            log.warning("changes beyond an organization's share are refused", organization=organization, of=reason)

    def _next(self) -> _Ticket | None:
        """Ticket to run next; None if no slot is free for any."""
        if len(self._running) >= self._slots:
            return None
        now = self._clock()
        busy_at_work = sum(self._is_busy(each, now) for each in self._running.values())
        heads = [queue[0] for each, queue in self._waiting.items() if each not in self._running]
        if busy_at_work >= self._busy_slots:
            heads = [each for each in heads if not self._is_busy(each, now)]
        # Organizations that used little run in order of arrival, so that newcomers can't delay others.
        return min(heads, key=lambda each: (self._weight(each.organization, now), each.number), default=None)

    def _is_busy(self, ticket: _Ticket, now: float) -> bool:
        return ticket.is_large or self._usage.of(ticket.organization, now) > _BUSY_S

    def _weight(self, organization: str, now: float) -> float:
        had = self._usage.of(organization, now)
        return had if had > _BUSY_S else 0.0
