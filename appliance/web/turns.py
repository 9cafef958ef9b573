"""Fair sharing of the threads that answer requests: each payer has a share, and a queue beyond it."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from appliance.model.errors import TooMany

THREADS = 16
SHARE = 4
WAITING = 32
OPERATOR_THREADS = 2
"""Threads of operators' pages, beside `THREADS`: whatever members and strangers do, these are left."""
NOBODY = ""
"""Payer of requests from trusted addresses."""


class Turns:
    """Scheduler of threads; for one event loop.

    A payer's request beyond its share waits only for that payer's own requests. Free threads are given to the payers
    round robin. `NOBODY` may use every thread.

    Args:
        threads: number of threads.
        share: returns a payer's number of threads.
        waiting: most waiting requests of a payer.
    """

    def __init__(
        self, threads: int = THREADS, share: Callable[[str], int] = lambda _: SHARE, waiting: int = WAITING
    ) -> None:
        self._threads = self._free = threads
        self._share = share
        self._most_waiting = waiting
        self._running: Counter[str] = Counter()
        # In the order in which payers get the next thread.
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, payer: str) -> AsyncIterator[None]:
        """Hold a thread of this payer's share during the block.

        Raises:
            TooMany: too many requests of this payer wait already.
        """
        if self._free and self._running[payer] < self._share_of(payer) and payer not in self._waiting:
            self._take(payer)
        else:
            await self._wait(payer)
        try:
            yield
        finally:
            self._give_back(payer)

    def _share_of(self, payer: str) -> int:
        return self._threads if payer == NOBODY else self._share(payer)

    def _take(self, payer: str) -> None:
        self._free -= 1
        self._running[payer] += 1

    def _give_back(self, payer: str) -> None:
        self._free += 1
        self._running[payer] -= 1
        if not self._running[payer]:
            del self._running[payer]
        self._hand_out()

    async def _wait(self, payer: str) -> None:
        queue = self._waiting.setdefault(payer, deque())
        if len(queue) >= self._most_waiting and payer != NOBODY:
            raise TooMany("Too many of your requests wait for an answer already. Try again in a second.", retry_after=1)
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(payer)
            raise

    def _hand_out(self) -> None:
        for payer in list(self._waiting):
            if not self._free:
                return
            if self._running[payer] >= self._share_of(payer):
                continue
            queue = self._waiting.pop(payer)
            while queue:
                turn = queue.popleft()
                # A cancelled request no longer waits.
                if not turn.done():
                    self._take(payer)
                    turn.set_result(None)
                    break
            if queue:
                self._waiting[payer] = queue
