"""Slots for expensive work: few at once, and a fair order for waiting threads."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from appliance.model.errors import TooMany

_PATIENCE_S = 10.0


@dataclass
class _Waiting:
    """A waiting thread, and the decision about it."""

    decided: threading.Event = field(default_factory=threading.Event)
    is_refused: bool = False


class _Queues:
    """Waiting threads in one queue for each crowd; the crowds are served round robin."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, deque[_Waiting]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def join(self, crowd: str, waiting: _Waiting) -> None:
        self._of.setdefault(crowd, deque()).append(waiting)

    def next(self) -> _Waiting:
        crowd, queue = self._of.popitem(last=False)
        found = queue.popleft()
        if queue:
            self._of[crowd] = queue
        return found

    def leave(self, crowd: str, waiting: _Waiting) -> None:
        queue = self._of[crowd]
        queue.remove(waiting)
        if not queue:
            del self._of[crowd]

    def newest_of_the_longest(self, *, longer_than_that_of: str) -> _Waiting | None:
        """Remove the newest thread of the longest queue; None if that queue is no longer than this crowd's would be."""
        crowd, queue = max(self._of.items(), key=lambda each: len(each[1]))
        if len(queue) <= len(self._of.get(longer_than_that_of, ())) + 1:
            return None
        found = queue[-1]
        self.leave(crowd, found)
        return found


class Slots:
    """A limit on the threads that work at the same time.

    The others wait in queues, one for each crowd of callers, and the crowds are served round robin: a flood from one
    part of the internet waits behind itself. Few may wait, as each holds a thread; beyond, the newest of the largest
    crowd is refused in favour of a smaller one. Favoured callers come before all others, and are never refused in
    favour of anybody.

    Args:
        at_once: number of threads that may work at the same time.
        waiting: number of threads that may wait, beside favoured ones.
        patience: longest wait in seconds.
    """

    def __init__(self, at_once: int, waiting: int, patience: float = _PATIENCE_S) -> None:
        self._free = at_once
        self._room = waiting
        self._patience = patience
        self._lock = threading.Lock()
        self._favoured = _Queues()
        self._others = _Queues()
        self._refused = 0

    @property
    def waiting(self) -> int:
        """Number of waiting threads."""
        with self._lock:
            return len(self._favoured) + len(self._others)

    @property
    def refused(self) -> int:
        """Number of refused threads so far."""
        return self._refused

    @contextmanager
    def taken(self, crowd: str, *, is_favoured: bool = False) -> Iterator[None]:
        """Hold a slot during the block.

        Args:
            crowd: name of the queue that the caller shares with others.

        Raises:
            TooMany: too many wait, or no slot was free in time.
        """
        self._wait(crowd, self._favoured if is_favoured else self._others)
        try:
            yield
        finally:
            self._pass_on()

    def _wait(self, crowd: str, queues: _Queues) -> None:
        waiting = _Waiting()
        with self._lock:
            if self._free:
                self._free -= 1
                return
            if queues is self._others and len(queues) >= self._room:
                last = queues.newest_of_the_longest(longer_than_that_of=crowd) if len(queues) else None
                if last is None:
                    raise self._too_many()
                last.is_refused = True
                last.decided.set()
            queues.join(crowd, waiting)
        waiting.decided.wait(self._patience)
        with self._lock:
            if not waiting.decided.is_set():
                queues.leave(crowd, waiting)
                raise self._too_many()
            if waiting.is_refused:
                raise self._too_many()

    def _pass_on(self) -> None:
        with self._lock:
            for queues in (self._favoured, self._others):
                if len(queues):
                    queues.next().decided.set()
                    return
            self._free += 1

    def _too_many(self) -> TooMany:
        self._refused += 1
        return TooMany("Too many people sign in or up at this moment. Try again in a second.", retry_after=1)
