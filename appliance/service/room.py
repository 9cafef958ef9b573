"""Room on the store's disk, whose last part is kept for what somebody needs in trouble.

Each organization's bounds leave room for what many of them store together, and a full disk refuses everything. So near
its end nothing new is taken: no organizations, no machines, no large policies. Signing in goes on, and so does what
removes something, denies or takes access away; of other changes each organization has a ration.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, MutableMapping

import structlog

from appliance.few_lines import FewLines
from appliance.model.errors import NoRoom, Unavailable
from appliance.model.sentences import Sentence, sentence
from appliance.store import Store
from appliance.store.size import DiskUse, disk_use

log = structlog.get_logger()

MOST_RESERVE = 512 * 10**6
RESERVED_PART = 20
"""One part in so many of the disk is kept, and at most `MOST_RESERVE` bytes."""
RATION = 1_000_000
"""Bytes of a day's audit trail that an organization's changes may fill while there is little room."""
SMALL = 4_000
"""Bytes of added rules that a policy may have then: a few rules that deny."""

_LOOKS_EVERY_S = 1.0
_RETRY_S = 600
NOBODY_NEW = sentence(
    "This service has hardly any room left on its disk, so nobody can sign up for now. Its operator can change that."
)
NOTHING_NEW = sentence(
    "This service has hardly any room left on its disk, so it takes nothing new for now. You can still remove, disable "
    "and deny. Its operator can change that."
)
RATION_USED = sentence(
    "This service has hardly any room left on its disk, so organizations change little for now. Yours has used up what "
    "it may change until midnight (UTC). You can still take access away. Its operator can change that."
)


class Room:
    """Looks at the store's disk, once a second at most; thread-safe.

    Nothing is known about PostgreSQL's disk, so there is always room.

    Args:
        refusals: counts here, as ``room``, what is refused.
        clock: monotonic time in seconds.
    """

    def __init__(
        self, store: Store, refusals: MutableMapping[str, int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._refusals = refusals
        self._clock = clock
        self._low, self._looked_at = False, -_LOOKS_EVERY_S
        self._lines = FewLines(1, clock=clock)
        self._lock = threading.Lock()

    def is_low(self) -> bool:
        """Tell whether less is left than what is kept."""
        if self._store.file is None:
            return False
        with self._lock:
            now = self._clock()
            if now - self._looked_at < _LOOKS_EVERY_S:
                return self._low
            self._looked_at = now
        try:
            found = disk_use(self._store)
        except Unavailable:
            # Whoever asks is about to meet the same error.
            return self._low
        self._low = is_low(found)
        if self._low:
            self._lines.write(
                log.error,
                "the store's disk is nearly full, so nothing new is taken",
                free=found.free,
                store=found.bytes,
            )
        return self._low

    def check(self, why: Sentence = NOTHING_NEW) -> None:
        """Raise `NoRoom` if there is little room."""
        if self.is_low():
            self._refusals["room"] = self._refusals.get("room", 0) + 1
            raise NoRoom(why, retry_after=_RETRY_S)


def is_low(found: DiskUse) -> bool:
    """Tell whether a disk has less left than what is kept; pages of the store that nothing is in count as free."""
    return found.free is not None and found.free + found.reusable < reserve(found)


def reserve(found: DiskUse) -> int:
    """Bytes of a disk that are kept."""
    return 0 if found.whole is None else min(MOST_RESERVE, found.whole // RESERVED_PART)
