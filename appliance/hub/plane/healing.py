"""Schedule of checks: after every event, and in a slow sweep for damage that causes no event."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from appliance.hub.errors import Occupied, log_error
from appliance.hub.findings import Repair
from appliance.hub.kernel.events import NamespaceEvent
from appliance.hub.plane.note_rests import NoteRests

Look = Callable[[str, NamespaceEvent], Repair | None]
Sweep = Callable[[], tuple[str, ...]]

_WORKERS = 2
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
# Rests of the sweep in multiples of its work: about 3 % of a core, or up to 10 % if a round would take too long.
_LONGEST_REST, _SHORTEST_REST = 30, 9
_SHORTEST_ROUND, _LONG_ROUND = 2.0, 5.0


@dataclass(frozen=True)
class _DueCheck:
    """A check that is due.

    Attributes:
        noticed: time of the first event that it answers; monotonic seconds.
        at: earliest time of the check; monotonic seconds.
        failures: number of consecutive checks that failed.
        visible: time from which a check sees what all these events are about; monotonic seconds.
    """

    noticed: float
    at: float
    event: NamespaceEvent
    failures: int = 0
    visible: float = 0.0


_Key = tuple[str, bool]


def _key(organization: str, event: NamespaceEvent) -> _Key:
    """Organization of a check, and whether it only notes machines."""
    return organization, event is NamespaceEvent.MACHINES


class Healer:
    """Runs checks and repairs of organizations in its threads.

    Args:
        look: checks and repairs one organization (`DataPlane.heal`).
        sweep: returns the organizations of one round.
        mended: called with each repair.
        shortest_round_s: least time from the begin of one round of the sweep to the next, in seconds.
        note_rests: rests between two notings of an organization's machines.
    """

    def __init__(
        self,
        look: Look,
        sweep: Sweep,
        mended: Callable[[Repair], None],
        shortest_round_s: float = _SHORTEST_ROUND,
        note_rests: NoteRests | None = None,
    ) -> None:
        self._look = look
        self._sweep = sweep
        self._mended = mended
        self._shortest_round_s = shortest_round_s
        self._note_rests = note_rests or NoteRests()
        # Machines are noted by a check of their own, as other checks come earlier, and not all of them note machines.
        self._due: dict[_Key, _DueCheck] = {}
        self._busy: set[str] = set()
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._work, name="hub-heal", daemon=True) for _ in range(_WORKERS)]
        self._threads.append(threading.Thread(target=self._go_round, name="hub-sweep", daemon=True))

    def start(self) -> None:
        """Start the threads, unless they run."""
        for thread in self._threads:
            if not thread.is_alive():
                thread.start()

    def notice(self, organization: str, event: NamespaceEvent, delay_s: float = 0.0) -> None:
        """Schedule a check of an organization after an event. Returns at once.

        Args:
            delay_s: time until a check sees what the event is about. Machines may be noted later than that.
        """
        now = time.monotonic()
        visible = now + delay_s
        with self._changed:
            key = _key(organization, event)
            before = self._due.get(key)
            if before is None:
                rested = self._note_rests.end_of(organization) if event is NamespaceEvent.MACHINES else 0.0
                self._due[key] = _DueCheck(now, max(visible, rested), event, visible=visible)
            elif event is NamespaceEvent.MACHINES:
                # It is not put off: a machine could keep all others from being noted.
                self._due[key] = replace(before, visible=visible)
            elif event is NamespaceEvent.ANYTHING:
                self._due[key] = replace(before, event=event, at=now)
            # The worker that checks it now does this check next.
            if organization not in self._busy:
                self._changed.notify()

    def stop(self) -> None:
        """Stop after the current checks."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            organization, due = taken
            began = time.monotonic()
            again = self._heal(organization, due)
            with self._changed:
                self._busy.discard(organization)
                if again is not None:
                    self._due.setdefault(_key(organization, again.event), again)
                if due.event is NamespaceEvent.MACHINES and (again is None or again.event is not due.event):
                    self._rest_from_noting(organization, due, began)
                if self._due:
                    self._changed.notify()

    def _rest_from_noting(self, organization: str, done: _DueCheck, began: float) -> None:
        """Put off the next noting of the organization's machines, and have one if this one came too early for some."""
        rested = self._note_rests.begin(organization, began, time.monotonic())
        key = _key(organization, done.event)
        after = self._due.get(key, done if done.visible > began else None)
        if after is not None:
            self._due[key] = replace(after, at=max(rested, after.visible))

    def _take(self) -> tuple[str, _DueCheck] | None:
        with self._changed:
            while not self._stopped.is_set():
                now = time.monotonic()
                waiting = {key: due for key, due in self._due.items() if key[0] not in self._busy}
                if waiting:
                    key, due = min(waiting.items(), key=lambda each: each[1].at)
                    if due.at <= now:
                        self._busy.add(key[0])
                        return key[0], self._due.pop(key)
                    self._changed.wait(due.at - now)
                else:
                    self._changed.wait()
            return None

    def _heal(self, organization: str, due: _DueCheck) -> _DueCheck | None:
        """Check an organization; return the next attempt if it failed."""
        try:
            repair = self._look(organization, due.event)
        except Occupied:
            return replace(due, at=time.monotonic() + _FIRST_PAUSE / 2)
        except Exception as error:  # noqa: BLE001 - it is logged
            # An organization that can't be checked, for whatever reason, must not end the checks of all others.
            pause = min(_FIRST_PAUSE * 2**due.failures, _LONGEST_PAUSE)
            log_error("damage can't be repaired yet", error, organization=organization, again_in=pause)
            return replace(
                due, at=time.monotonic() + pause, event=NamespaceEvent.ANYTHING, failures=min(due.failures + 1, 10)
            )
        if repair is not None:
            self._mended(replace(repair, seconds=time.monotonic() - due.noticed))
        return None

    def _go_round(self) -> None:
        while not self._stopped.is_set():
            began = time.monotonic()
            for organization in (organizations := self._sweep()):
                start, before = time.monotonic(), time.thread_time()
                with self._changed:
                    skipped = organization in self._busy or (organization, False) in self._due
                if (
                    not skipped
                    and (again := self._heal(organization, _DueCheck(start, start, NamespaceEvent.ANYTHING)))
                    is not None
                ):
                    with self._changed:
                        self._due.setdefault(_key(organization, again.event), again)
                        self._changed.notify()
                worked, took = time.thread_time() - before, time.monotonic() - start
                if self._stopped.wait(rest(worked, took, len(organizations))):
                    return
            if self._stopped.wait(max(0.0, began + self._shortest_round_s - time.monotonic())):
                return


def rest(worked_s: float, took_s: float, organizations: int) -> float:
    """Seconds between one check of a sweep and the next.

    Args:
        worked_s: processor time of the check.
        took_s: wall time of the check, which shortens the rest, so that one slow check does not delay the others.
        organizations: number of organizations in the round.
    """
    return max(_SHORTEST_REST * worked_s, min(_LONGEST_REST * worked_s, _LONG_ROUND / organizations - took_s))
