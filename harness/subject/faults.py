"""Faults that a service reports of itself: errors and tracebacks in its log, and counters of what went wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from harness.judging.verdicts import Refuted

# What Python, Go, Rust and C write of a failure past a program's own log.
_UNLOGGED = re.compile(
    r"Traceback \(most recent call last\)|Fatal Python error"
    r"|panic: |fatal error: |SIGSEGV: "
    r"|thread '.*' (?:panicked|has overflowed its stack)|fatal runtime error: |memory allocation of \d+ bytes failed"
    # From glibc and libstdc++: damaged heaps and stacks, assertions, errors of their own, unhandled exceptions.
    r"|\b(?:(?:c|m|re)alloc|free|malloc_\w+|munmap_chunk|mremap_chunk|tcache_\w+)\(\): "
    r"|double free or corruption|corrupted (?:size vs|double-linked)"
    r"|\*\*\* .* detected \*\*\*|Assertion .* failed|Fatal glibc error|terminate called "
    # From a shell.
    r"|Segmentation fault|Aborted|\(core dumped\)"
)
_LEVELS = frozenset(("error", "critical"))
_LONGEST = 2000

_COUNTERS = re.compile(
    r'^(meshwg_(?:http_answers_total\{status="5..|repairs_total\{|machine_calls_total\{outcome="failed").*) (\S+)$',
    re.MULTILINE,
)


@dataclass(frozen=True)
class Fault:
    """A fault in a service's log, or in its counters.

    Attributes:
        name: event of the log, with ``traceback: `` in front if it has one; or a counter's name with its labels.
        text: everything that is known of it.
    """

    name: str
    text: str


def logged(text: str) -> Iterator[Fault]:
    """Yields the events with a traceback or of level error or critical, and failures that were not logged as events.

    Args:
        text: log with one JSON object a line, and lines of other programs between them.
    """
    for line in text.splitlines():
        event = _event(line)
        if event is None:
            if _UNLOGGED.search(line):
                yield Fault(line, text[text.index(line) :][:_LONGEST])
        elif "exception" in event:
            yield Fault(f"traceback: {event.get('event')}", line.replace("\\n", "\n")[-_LONGEST:])
        elif event.get("level") in _LEVELS:
            yield Fault(str(event.get("event")), line)


def _event(line: str) -> Mapping[str, object] | None:
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def counters(metrics: str) -> dict[str, float]:
    """Reads the counters of failed requests, repairs and failed calls from a service's metrics.

    Args:
        metrics: metrics in Prometheus' text format.

    Returns:
        Values by name with labels.
    """
    return {name: float(value) for name, value in _COUNTERS.findall(metrics)}


def counted(before: Mapping[str, float], after: Mapping[str, float]) -> Iterator[Fault]:
    """Yields the counters that have grown. One that is smaller than before began again with its process."""
    for name, value in after.items():
        earlier = before.get(name, 0.0)
        grown = value - earlier if value >= earlier else value
        if grown:
            yield Fault(name, f"{name} grew by {grown:g}")


class FaultWatch:
    """Watches over one service from its start to its end, with a look at the end of each scenario.

    Args:
        log: returns the whole log so far, of all starts.
        metrics: returns the metrics in Prometheus' text format; "" if the service does not run.
        ends: returns the bad ends of the service so far, in words.
    """

    def __init__(self, log: Callable[[], str], metrics: Callable[[], str], ends: Callable[[], Sequence[str]]) -> None:
        self._log = log
        self._metrics = metrics
        self._bad_ends = ends
        self._counters: Mapping[str, float] | None = None
        self._read, self._ends = 0, 0
        self._before: tuple[str, ...] = ()

    @contextmanager
    def without_faults(self, announced: Collection[str]) -> Iterator[None]:
        """Looks for faults since the look before, or the service's start, when ``with`` ends.

        What was expected the time before is expected again, because it may be counted late.

        Args:
            announced: how the names of expected faults begin.

        Raises (on leaving the block):
            Refuted: the service reports a fault that was not announced.
        """
        if self._counters is None:
            self._counters = counters(self._metrics())
        expected, self._before = (*announced, *self._before), tuple(announced)
        try:
            yield
        except BaseException:
            # The failure comes first, and metrics may be out of reach after it. What was reported until now is of it.
            self._reported()
            self._counters = None
            raise
        # Counters first, as the log explains what they count.
        before, self._counters = self._counters, counters(self._metrics())
        grown = counted(before, self._counters)
        _check([*self._reported(), *grown], expected)

    def check_end(self) -> None:
        """Looks for faults since the last scenario, once the service was told to stop.

        Raises:
            Refuted: the service reports a fault that the last scenario did not announce.
        """
        _check(self._reported(), self._before)

    def _reported(self) -> Sequence[Fault]:
        """Returns the faults in the log, and the bad ends, since the look before."""
        log, ends = self._log(), self._bad_ends()
        found = [*logged(log[self._read :]), *(Fault(each, log[-_LONGEST:]) for each in ends[self._ends :])]
        # A line that is not whole yet is read again.
        self._read, self._ends = log.rfind("\n") + 1, len(ends)
        return found


def _check(faults: Sequence[Fault], expected: tuple[str, ...]) -> None:
    left = [each for each in faults if not each.name.startswith(expected)]
    if left:
        names = "; ".join(dict.fromkeys(each.name for each in left))
        raise Refuted(f"the service reports faults that nobody provoked: {names}\n{left[0].text}")
