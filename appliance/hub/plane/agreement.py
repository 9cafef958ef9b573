"""What the data plane was told is what the store has.

A change is enforced first and committed then. Where its caller is killed in between, or the database is lost in that
moment, the data plane has what nobody was promised. The store is right: this notices, and `Arbiter.settle` settles it,
which knows a change under way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from appliance.hub.errors import complain
from appliance.hub.findings import Finding, Part, Repair
from appliance.hub.plane.arbiter import is_alike
from appliance.model.desired import Desired
from appliance.model.errors import Unavailable
from appliance.store import Store, organizations

_ROUND_S = 2.0
# Rests so many times longer than it works, unless somebody who may have been killed has just gone.
_REST = 30
_FOUND = Finding(Part.STATE, "not what the store has")


@dataclass(frozen=True)
class _Seen:
    """The last look at an organization: what the data plane wanted, and the store's revision; None: not there.

    Attributes:
        agreed: whether they were the same.
    """

    wanted: Desired | None
    revision: int | None
    agreed: bool


class Agreement:
    """Compares what the data plane wants with the store, organization by organization, and settles what differs.

    Args:
        wanted: what the data plane wants, by organization.
        settle: makes the data plane what the store says of an organization; tells whether it was something else.
        agreed: is told of an organization of which both have the same, and of its revision.
        settled: is told of what was settled.
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
        self._stopped = False
        self._hurried = threading.Event()
        self._thread = threading.Thread(target=self._go_round, name="hub-agree", daemon=True)

    def start(self) -> None:
        """Begins to compare."""
        self._thread.start()

    def hurry(self) -> None:
        """Somebody who changes organizations is gone, perhaps in the middle of it. Returns at once."""
        self._hurried.set()

    def stop(self) -> None:
        """Ends with the comparison that is under way."""
        self._stopped = True
        self._hurried.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self, *, doubtful: bool) -> None:
        """Compares everything once.

        Args:
            doubtful: whether to settle at once what differs. Otherwise only what has differed since the look before: a
                change under way differs for a moment, too.

        Raises:
            Unavailable: the store can't do it now.
        """
        with self._store.read() as transaction:
            revisions, known = organizations.revisions(transaction), organizations.names(transaction)
        # After the store: what was stored since then and is wanted already is no reason to remove it.
        wanted = self._wanted()
        for organization in (*revisions, *(wanted.keys() - known.keys())):
            if self._stopped:
                return
            began = time.thread_time()
            try:
                self._compare(organization, wanted.get(organization), revisions.get(organization), doubtful=doubtful)
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 - it is logged
                # What one organization's rows say must not keep the others from being compared.
                self._complain(organization, revisions.get(organization), error)
            if not doubtful and self._hurried.wait(_REST * (time.thread_time() - began)):
                doubtful = True
        self._seen = {each: seen for each, seen in self._seen.items() if each in revisions or each in wanted}
        self._complained = {each: told for each, told in self._complained.items() if each in revisions}

    def _complain(self, organization: str, revision: int | None, error: Exception) -> None:
        if self._complained.get(organization) != revision:
            self._complained[organization] = revision
            complain("store and data plane can't be made one", error, organization=organization)

    def _compare(self, organization: str, wanted: Desired | None, revision: int | None, *, doubtful: bool) -> None:
        seen = self._seen.get(organization)
        is_as_before = seen is not None and seen.wanted is wanted and seen.revision == revision
        if seen is not None and is_as_before and seen.agreed:
            return
        if not is_as_before:
            with self._store.read() as transaction:
                stored = organizations.desired(transaction, organization)
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
        while not self._stopped:
            doubtful = self._hurried.is_set()
            self._hurried.clear()
            try:
                self.look(doubtful=doubtful)
                failing = False
            except Exception as error:  # noqa: BLE001 - it is logged
                # Whatever it is, a later round may find it gone; without rounds nothing would ever be settled.
                if not failing:
                    complain("store and data plane can't be compared now", error, (Unavailable,))
                failing = True
            self._hurried.wait(_ROUND_S)
