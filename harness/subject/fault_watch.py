"""Watch over the faults that a service reports of itself, from its start to its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

import httpx

from harness.judging.verdicts import Refuted
from harness.subject.faults import Counted, Fault, hub_starts, is_settled, logged

QUIET_S = 3.0
"""Seconds without a fault after which none is late; the hub's checks of few organizations come every two."""
LONGEST_S = 30.0
"""Longest wait for that, in seconds."""

_PAUSE_S = 0.5
_LONGEST_WORDS = 2000
_MOST_TRIES = 5
_OUT_OF_REACH = (OSError, httpx.TransportError)


class FaultWatch:
    """Watches over one service, with a look at the begin and at the end of each scenario.

    Args:
        log: returns the whole log so far, of all starts.
        metrics: returns the metrics in Prometheus' text format; "" if the service does not run.
        ends: returns the bad ends of the service so far, in words.
        clock: monotonic time in seconds.
        pause: waits for so many seconds.
    """

    def __init__(
        self,
        log: Callable[[], str],
        metrics: Callable[[], str],
        ends: Callable[[], Sequence[str]],
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._log = log
        self._metrics = metrics
        self._bad_ends = ends
        self._clock = clock
        self._pause = pause
        # Of a service that has not begun; None after a failure.
        self._counted: Counted | None = Counted()
        self._read, self._ends = 0, 0
        self._found: list[Fault] = []
        self._announced: tuple[str, ...] = ()

    @contextmanager
    def without_faults(self, announced: Collection[str]) -> Iterator[None]:
        """Looks for faults when ``with`` ends: those of the block, and those between it and the scenario before.

        An announcement excuses the faults of its own block, and late ones until the next block begins.

        Args:
            announced: how the names of expected faults begin.

        Raises (on leaving the block):
            Refuted: the service reports a fault that was not announced.
        """
        self.settle(announced)
        if self._counted is None:
            self._counted = self._count_once_it_answers()
        self.look()
        left, self._announced = self._unexpected(), tuple(announced)
        try:
            yield
        except BaseException:
            # The failure comes first, and metrics may be out of reach after it. What was reported until now is of it.
            self._reported()
            self._found.clear()
            self._counted = None
            raise
        self.look()
        _check([*left, *self._unexpected()])

    def look(self) -> None:
        """Notes the faults since the look before. To be called before the service stops, as counters end with it."""
        # Counters first, as the log explains what they count.
        before, self._counted = self._counted, self._count()
        self._found += self._reported()
        if before is not None:
            self._found += self._counted.since(before)
            self._counted = self._counted.after(before)

    def settle(self, announced: Collection[str] = ()) -> None:
        """Waits until no fault that the scenario before announced can come late, and excuses it no longer.

        Args:
            announced: how the names of faults begin that are expected from now on, too; they need no wait.
        """
        if all(each.startswith(tuple(announced)) for each in self._announced):
            return
        until, quiet_since = self._clock() + LONGEST_S, self._clock()
        kept: list[Fault] = []
        while self._clock() - quiet_since < QUIET_S and self._clock() < until:
            self._pause(_PAUSE_S)
            if not self._is_quiet():
                quiet_since = self._clock()
            kept += self._unexpected()
        self._found, self._announced = kept, ()

    def _is_quiet(self) -> bool:
        """Looks, and tells whether nothing was found and the service is settled, or stopped."""
        try:
            self.look()
            metrics = self._metrics()
        except _OUT_OF_REACH:
            return False
        return not self._found and (not metrics or is_settled(metrics))

    def check_end(self) -> None:
        """Looks for faults since the last look, once the service was told to stop.

        Raises:
            Refuted: the service reports a fault.
        """
        self._found += self._reported()
        _check(self._unexpected())

    def _count(self) -> Counted:
        """Reads the counters, of the hub process that the log has as the last one."""
        for _ in range(_MOST_TRIES):
            starts, metrics = hub_starts(self._log()), self._metrics()
            if hub_starts(self._log()) == starts:
                break
        return Counted.read(metrics, starts)

    def _count_once_it_answers(self) -> Counted:
        """Reads the counters after a failed scenario, which may have left a process on its way."""
        until = self._clock() + LONGEST_S
        while True:
            try:
                return self._count()
            except _OUT_OF_REACH:
                if self._clock() > until:
                    raise
                self._pause(_PAUSE_S)

    def _reported(self) -> Sequence[Fault]:
        """Returns the faults in the log, and the bad ends, since the look before."""
        log, ends = self._log(), self._bad_ends()
        late = [Fault(each, log[-_LONGEST_WORDS:]) for each in ends[self._ends :]]
        found = [*logged(log[self._read :]), *late]
        # A line that is not whole yet is read again.
        self._read, self._ends = log.rfind("\n") + 1, len(ends)
        return found

    def _unexpected(self) -> list[Fault]:
        """Returns the faults that were found and not announced, and forgets all of them."""
        found, self._found = self._found, []
        return [each for each in found if not each.name.startswith(self._announced)]


def _check(faults: Sequence[Fault]) -> None:
    if faults:
        names = "; ".join(dict.fromkeys(each.name for each in faults))
        raise Refuted(f"the service reports faults that nobody provoked: {names}\n{faults[0].text}")
