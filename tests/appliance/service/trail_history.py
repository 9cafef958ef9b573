"""Usage computed from the whole audit trail, as an oracle for the meters."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from appliance.model import usage
from appliance.model.organization import AuditEntry, Plan
from appliance.model.usage import Lifetime, Span, UsageHistory

_ADDED, _CHANGED, _REMOVED = "machine.added", "machine.changed", "machine.removed"
_PLAN = "organization.changed"
_SUSPENDED, _RESUMED = "organization.suspended", "organization.resumed"


def history_of(entries: Iterable[AuditEntry], until: datetime) -> UsageHistory:
    """Computes the usage history from an audit trail, oldest entry first, as of ``until``.

    Entries are in the order of events; after the clock was set back, no minute counts twice.
    """
    trail = _Trail()
    for entry in entries:
        trail.read(entry)
    return trail.history(until)


class _Trail:
    """Spans that the entries read so far have begun and ended, in minutes."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._added: dict[str, int] = {}
        self._ended: list[tuple[str, Span]] = []
        self._paid: list[Span] = []
        self._suspended: list[Span] = []
        self._founded: int | None = None
        self._paid_since: int | None = None
        self._suspended_since: int | None = None
        # What begins counts from the start of its minute, what ends to the end of it.
        self._at = self._end = 0

    def read(self, entry: AuditEntry) -> None:
        """Reads the next entry."""
        self._at, self._end = max(self._at, usage.minute_of(entry.at)), max(self._end, usage.minute_after(entry.at))
        self._founded = self._at if self._founded is None else self._founded
        machine = str(entry.detail.get("machine", ""))
        if entry.action in (_ADDED, _CHANGED):
            self._names[machine] = str(entry.detail["name"])
        if entry.action == _ADDED or entry.detail.get("enabled") is True:
            self._begin(machine)
        elif (entry.action == _REMOVED or entry.detail.get("enabled") is False) and machine in self._added:
            self._ended.append((machine, Span(self._added.pop(machine), self._end)))
        elif entry.action == _SUSPENDED:
            self._suspended_since = self._end
        elif entry.action == _RESUMED and self._suspended_since is not None:
            self._suspended.append(Span(self._suspended_since, self._at))
            self._suspended_since = None
        elif entry.action == _PLAN and "plan" in entry.detail:
            self._switch(Plan(str(entry.detail["plan"])))

    def _begin(self, machine: str) -> None:
        # A minute that was metered already, as it was disabled within it, is not metered twice.
        last = next((span for name, span in reversed(self._ended) if name == machine), None)
        if last is not None and last.end >= self._at:
            self._ended.remove((machine, last))
            self._added[machine] = last.start
        else:
            self._added[machine] = self._at

    def _switch(self, plan: Plan) -> None:
        if plan is Plan.PAID and self._paid_since is None:
            # A minute that was paid for already, by a switch back within it, is not paid twice.
            self._paid_since = max(self._at, self._paid[-1].end) if self._paid else self._at
        elif plan is not Plan.PAID and self._paid_since is not None:
            self._paid.append(Span(self._paid_since, max(self._paid_since, self._end)))
            self._paid_since = None

    def history(self, until: datetime) -> UsageHistory:
        """Returns the history: what has not ended yet goes on until then."""
        now = max(self._at, usage.minute_of(until))
        ended = [*self._ended, *((machine, Span(since, now)) for machine, since in self._added.items())]
        first = {machine: min(span.start for name, span in ended if name == machine) for machine, _ in ended}
        ended.sort(key=lambda each: (first[each[0]], each[0], each[1].start))
        return UsageHistory(
            Span(now if self._founded is None else self._founded, now),
            tuple(Lifetime(machine, self._names[machine], span) for machine, span in ended),
            _closed(self._paid, self._paid_since, now),
            _closed(self._suspended, self._suspended_since, now),
        )


def _closed(spans: Iterable[Span], since: int | None, now: int) -> tuple[Span, ...]:
    return (*spans, *(() if since is None else (Span(since, now),)))
