"""Faults that a service reports of itself: errors and tracebacks in its log, and counters of what went wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

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

# A repair is an event of level warning. Its counter is lost if the hub ends before the next look.
_REPAIR = "damage was repaired"
_BEGAN = re.compile(r"^process_start_time_seconds (\S+)$", re.MULTILINE)
_OF_HUB = re.compile(
    r'^(meshwg_(?:repairs_total\{|machine_calls_total\{outcome="failed").*) (\S+)$',
    re.MULTILINE,
)
_OF_WEB = re.compile(r'^(meshwg_http_answers_total\{status="5..".*) (\S+)$', re.MULTILINE)
_GAUGES = re.compile(
    r"^meshwg_(hub_up|organizations|organizations_enforced|machine_calls_due) (\S+)$",
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
        elif event.get("level") in _LEVELS or event.get("event") == _REPAIR:
            yield Fault(str(event.get("event")), line)


def _event(line: str) -> Mapping[str, object] | None:
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def hub_starts(log: str) -> int:
    """Counts the starts of a hub process in a log."""
    events = (_event(line) for line in log.splitlines() if "hub starts" in line)
    return sum(event is not None and event.get("event") == "hub starts" for event in events)


def is_settled(metrics: str) -> bool:
    """Tells whether all organizations are enforced and nothing is due after earlier damage."""
    found = {name: float(value) for name, value in _GAUGES.findall(metrics)}
    return (
        found.get("hub_up") == 1
        and found.get("machine_calls_due") == 0
        and found.get("organizations") == found.get("organizations_enforced")
    )


@dataclass(frozen=True)
class Counted:
    """Counters of failed requests, of repairs and of failed calls. Each begins at 0 with its process.

    Attributes:
        hub: counters of the hub process, by name with labels.
        web: counters of the web process.
        hub_starts: number of hub processes so far.
        web_began: time at which the web process began, as it says; "" for none.
    """

    hub: Mapping[str, float] = field(default_factory=dict)
    web: Mapping[str, float] = field(default_factory=dict)
    hub_starts: int = 0
    web_began: str = ""

    @classmethod
    def read(cls, metrics: str, starts: int) -> Counted:
        """Reads the counters.

        Args:
            metrics: metrics in Prometheus' text format.
            starts: number of hub processes so far.
        """
        began = _BEGAN.search(metrics)
        hub, web = ({name: float(value) for name, value in each.findall(metrics)} for each in (_OF_HUB, _OF_WEB))
        return cls(hub, web, starts, "" if began is None else began[1])

    def since(self, before: Counted) -> Iterator[Fault]:
        """Yields the counters that have grown, from 0 if their process is another one than before."""
        earlier = {
            **(before.hub if self.hub_starts == before.hub_starts else {}),
            **(before.web if self.web_began == before.web_began else {}),
        }
        for name, value in {**self.hub, **self.web}.items():
            if grown := value - earlier.get(name, 0.0):
                yield Fault(name, f"{name} grew by {grown:g}")

    def after(self, before: Counted) -> Counted:
        """Returns these counters, with the earlier values of those that could not be read just now."""
        if not self.web_began:
            return before
        hub = {**before.hub, **self.hub} if self.hub_starts == before.hub_starts else self.hub
        return replace(self, hub=hub)
