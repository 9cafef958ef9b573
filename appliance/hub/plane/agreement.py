"""Comparison of the data plane's desired states with the store.

A change is enforced first and committed then. If its caller is killed in between, or the database is lost in that
moment, the data plane enforces a state that was never promised. The store is right: this comparison notices the
difference, and `Arbiter.settle`, which knows changes in progress, resolves it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from appliance.hub.errors import log_error
from appliance.hub.findings import Damage, DamagedPart, Repair
from appliance.hub.plane.arbiter import is_alike
from appliance.model.desired import Desired
from appliance.model.errors import Unavailable
from appliance.store import Store, organizations

_ROUND_S = 2.0
# The pause is this many times as long as the work, unless a caller that may have been killed has just disconnected.
_REST = 30
# Callers that come and go all the time take a quarter of this thread's time with it, and no more.
_REST_WHEN_HURRIED = 3
_FOUND = Damage(DamagedPart.STATE, "not what the store has")


@dataclass(frozen=True)
class _Seen:
    """The last comparison of an organization: the data plane's state, and the store's revision; None: not there.

    Attributes:
        agreed: True if they were the same.
    """

    wanted: Desired | None
    revision: int | None
    agreed: bool


class Agreement:
    """Compares the data plane's desired states with the store, and resolves differences.

    Args:
        wanted: returns the data plane's desired states by organization.
        settle: makes the data plane match the store for an organization; returns whether they differed.
        agreed: called with an organization on which both agree, and its revision.
        settled: called with each resolved difference.
    """

    def __init__(
        self,
        store: Store,
        wanted: Callable[[], Mapping[str, Desired]],
        settle: Callable[[str], bool],
        agreed: Callable[[str, int], None],
        settled: Callable[[Repair], None],
    ) -> None:
        self._store = store
        self._wanted = wanted
        self._settle = settle
        self._agreed = agreed
        self._settled = settled
        self._seen: dict[str, _Seen] = {}
        self._complained: dict[str, int | None] = {}
        self._stopped = threading.Event()
        self._hurried = threading.Event()
        self._thread = threading.Thread(target=self._go_round, name="hub-agree", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def hurry(self) -> None:
        """Request a comparison soon, because a caller may have been killed during a change. Returns at once."""
        self._hurried.set()

    def stop(self) -> None:
        """Stop after the current comparison."""
        self._stopped.set()
        self._hurried.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self, *, doubtful: bool) -> None:
        """Compare all organizations once.

        Args:
            doubtful: True to resolve differences at once. Otherwise only those that the previous comparison saw too,
                because a change in progress differs for a moment.

        Raises:
            Unavailable: the store can't be read now.
        """
        with self._store.read() as transaction:
            revisions = organizations.revisions(transaction, self._store.shard)
            known = organizations.names(transaction, self._store.shard)
        # Read after the store, so that an organization that is being signed up is not taken for a removed one.
        wanted = self._wanted()
        for organization in (*revisions, *(wanted.keys() - known.keys())):
            if self._stopped.is_set():
                return
            began = time.thread_time()
            try:
                self._compare(organization, wanted.get(organization), revisions.get(organization), doubtful=doubtful)
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 - it is logged
                # Broken rows of one organization must not keep the others from being compared.
                self._complain(organization, revisions.get(organization), error)
            if not doubtful and self._hurried.wait(_REST * (time.thread_time() - began)):
                doubtful = True
        self._seen = {each: seen for each, seen in self._seen.items() if each in revisions or each in wanted}
        self._complained = {each: revision for each, revision in self._complained.items() if each in revisions}

    def _complain(self, organization: str, revision: int | None, error: Exception) -> None:
        if self._complained.get(organization) != revision:
            self._complained[organization] = revision
            log_error("the data plane can't be made to match the store", error, organization=organization)

    def _compare(self, organization: str, wanted: Desired | None, revision: int | None, *, doubtful: bool) -> None:
        seen = self._seen.get(organization)
        is_as_before = seen is not None and seen.wanted is wanted and seen.revision == revision
        if seen is not None and is_as_before and seen.agreed:
            return
        if not is_as_before:
            with self._store.read() as transaction:
                # Another shard's organization has no revision here.
                stored = None if revision is None else organizations.desired(transaction, organization)
            agreed = is_alike(wanted, stored)
            self._seen[organization] = _Seen(wanted, revision, agreed)
            if agreed and revision is not None:
                self._agreed(organization, revision)
            if agreed or not doubtful:
                return
        start = time.monotonic()
        if self._settle(organization):
            self._settled(Repair(organization, time.time(), time.monotonic() - start, (_FOUND,)))

    def _go_round(self) -> None:
        failing = False
        while not self._stopped.is_set():
            began, doubtful = time.monotonic(), self._hurried.is_set()
            self._hurried.clear()
            try:
                self.look(doubtful=doubtful)
                failing = False
            except Exception as error:  # noqa: BLE001 - it is logged
                # The thread has to survive every error, which may be gone in a later round.
                if not failing:
                    log_error("store and data plane can't be compared now", error, (Unavailable,))
                failing = True
            if doubtful:
                self._stopped.wait(min(_REST_WHEN_HURRIED * (time.monotonic() - began), _ROUND_S))
            self._hurried.wait(_ROUND_S)
