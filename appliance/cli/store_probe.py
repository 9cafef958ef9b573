"""Short looks at the store, for a hub that has to know at once whether it could begin."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from appliance.host.clocks import boottime

log = structlog.get_logger()

_PATIENCE_S = 0.5
_PAUSE_S = 0.5


class StoreProbe:
    """Tells whether the store can be read now, without a long wait for one that is out of reach.

    A connection that is dead keeps its reader waiting for seconds. So a look has a thread of its own. One that is not
    over within a moment counts as failed for now, and the next call goes on waiting for it.

    Args:
        look: reads something small from the store; raises if it can't.
        patience_s: longest wait of one call, in seconds.
    """

    def __init__(self, look: Callable[[], object], patience_s: float = _PATIENCE_S) -> None:
        self._look = look
        self._patience_s = patience_s
        self._thread: threading.Thread | None = None
        self._failure: str | None = None
        self._failed_at: float | None = None

    def can_be_read(self) -> bool:
        """Look at the store, unless a look has just failed; one thread at a time may call this."""
        if self._thread is None or not self._thread.is_alive():
            if self._failed_at is not None and boottime() < self._failed_at + _PAUSE_S:
                return False
            self._failure = "it has not answered in time"
            self._thread = threading.Thread(target=self._try, name="store-probe", daemon=True)
            self._thread.start()
        self._thread.join(self._patience_s)
        failure = self._failure
        if failure is None and self._failed_at is not None:
            log.info("the store can be read again")
        elif failure is not None and self._failed_at is None:
            log.warning("the store can't be read, so this host takes no shard", error=failure)
        self._failed_at = None if failure is None else boottime()
        return failure is None

    def _try(self) -> None:
        try:
            self._look()
            self._failure = None
        except Exception as error:  # noqa: BLE001 - it is logged; whatever it is, this host could not begin
            self._failure = str(error)
