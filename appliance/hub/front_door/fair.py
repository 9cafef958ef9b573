"""Queue that serves its senders in turn, so that none delays the others."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class FairQueue(Generic[K, T]):
    """One queue for each sender, served round robin.

    Args:
        senders: most senders with waiting items.
        each: most waiting items of one sender.
        most: from this many waiting items on, only a sender without any can add one.
    """

    def __init__(self, senders: int, each: int, most: int) -> None:
        self._senders = senders
        self._each = each
        self._most = most
        self._queues: OrderedDict[K, deque[T]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def waiting(self) -> int:
        """Number of senders with waiting items."""
        return len(self._queues)

    def put(self, sender: K, item: T) -> bool:
        """Add an item if its sender has room; tell whether it had."""
        queue = self._queues.get(sender)
        if queue is None:
            if len(self._queues) >= self._senders:
                return False
            queue = self._queues[sender] = deque()
        elif len(queue) >= self._each or self._length >= self._most:
            return False
        queue.append(item)
        self._length += 1
        return True

    def take(self) -> T | None:
        """Remove the oldest item of the sender whose turn it is; None if nothing waits."""
        if not self._queues:
            return None
        sender, queue = self._queues.popitem(last=False)
        item = queue.popleft()
        self._length -= 1
        if queue:
            self._queues[sender] = queue
        return item
