"""Places for connections whose callers have not proven yet that they are hosts, so that strangers hold few of them."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable

OF_ONE = 32
"""Most of one address: a host whose web process connects anew opens one for each of its threads."""
OF_STRANGERS = 128
"""Most of all addresses from which no host has called yet."""
OF_HOSTS = 512
"""Most of all addresses from which a host has called."""

_MOST_KNOWN = 1024
_MOST_TOLD = 30
_TOLD_EVERY_S = 60.0


class TlsHandshakes:
    """TLS handshakes in progress, bounded for each address; thread-safe.

    Addresses of hosts are remembered, and have places that strangers can't take. Only a host's certificate makes an
    address known. IPv6 addresses count by themselves: hosts of one network have the same prefix.

    Args:
        clock: monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._running: Counter[str] = Counter()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._told_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def begin(self, sender: str) -> bool:
        """Take a place for a connection from this address; False if there is none."""
        with self._lock:
            is_known = sender in self._known
            of_its_kind = sum(count for each, count in self._running.items() if (each in self._known) == is_known)
            if of_its_kind >= (OF_HOSTS if is_known else OF_STRANGERS) or self._running[sender] >= OF_ONE:
                return False
            self._running[sender] += 1
            return True

    def end(self, sender: str, *, is_host: bool) -> None:
        """Give a place back.

        Args:
            is_host: whether the caller has proven that it is a host.
        """
        with self._lock:
            self._running[sender] -= 1
            if not self._running[sender]:
                del self._running[sender]
            if is_host:
                self._known[sender] = None
                self._known.move_to_end(sender)
                if len(self._known) > _MOST_KNOWN:
                    self._known.popitem(last=False)

    def is_to_be_told(self, sender: str) -> bool:
        """True if a line about this address belongs into the log: once a minute, and of few addresses in each."""
        now = self._clock()
        with self._lock:
            self._told_at = {address: at for address, at in self._told_at.items() if now - at < _TOLD_EVERY_S}
            if sender in self._told_at or len(self._told_at) >= _MOST_TOLD:
                return False
            self._told_at[sender] = now
            return True
