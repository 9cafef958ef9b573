"""Places for connections whose callers have not proven yet that they are hosts, so that strangers hold few of them."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable

OF_ONE = 32
"""Most of one address: a host whose web process connects anew opens one for each of its threads."""
OF_STRANGERS = 128
"""Most of all addresses from which no host has called yet."""
OF_HOST = 64
"""Most of all addresses from which one host has called last, however many it has."""
OF_HOSTS = 512
"""Most of all addresses from which a host has called."""

ADDRESSES_OF_HOST = 16
PAUSE_S = 1.0
"""Seconds for which a place stays taken after its handshake, which was work and may be followed by another one."""

_MOST_KNOWN = 1024
_MOST_TOLD = 30
_TOLD_EVERY_S = 60.0


class TlsHandshakes:
    """TLS handshakes in progress, bounded for each address; thread-safe.

    A place is free again `PAUSE_S` after the handshake, however that ended. So the places are a pace too, also for
    somebody with a certificate who connects and leaves all the time.

    Addresses of hosts are remembered, and have places that strangers can't take. Only a host's certificate makes an
    address known, and a few of each certificate's are remembered: with a stolen one, no number of addresses takes all
    places, or has others forgotten. IPv6 addresses count by themselves: hosts of one network have the same prefix.

    Args:
        clock: monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._running: Counter[str] = Counter()
        # When the places of handshakes that have ended will be free, in that order.
        self._ended: deque[tuple[float, str]] = deque()
        # The host that has called from an address last; in the order of their last calls.
        self._host_of: OrderedDict[str, str] = OrderedDict()
        self._told_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def begin(self, sender: str) -> bool:
        """Take a place for a connection from this address; False if there is none."""
        with self._lock:
            self._free_ended()
            host = self._host_of.get(sender)
            of_its_kind = self._count(lambda other: (other is None) == (host is None))
            if of_its_kind >= (OF_STRANGERS if host is None else OF_HOSTS) or self._running[sender] >= OF_ONE:
                return False
            if host is not None and self._count(lambda other: other == host) >= OF_HOST:
                return False
            self._running[sender] += 1
            return True

    def end(self, sender: str, host: str | None) -> None:
        """Tell that a handshake has ended; its place is free `PAUSE_S` later.

        Args:
            host: name of the host that the caller has proven to be; None if it has proven nothing.
        """
        with self._lock:
            self._ended.append((self._clock() + PAUSE_S, sender))
            if host is not None:
                self._know(sender, host)

    def _free_ended(self) -> None:
        now = self._clock()
        while self._ended and self._ended[0][0] <= now:
            _, sender = self._ended.popleft()
            self._running[sender] -= 1
            if not self._running[sender]:
                del self._running[sender]

    def _count(self, counts: Callable[[str | None], bool]) -> int:
        return sum(count for each, count in self._running.items() if counts(self._host_of.get(each)))

    def _know(self, sender: str, host: str) -> None:
        self._host_of[sender] = host
        self._host_of.move_to_end(sender)
        own = [address for address, each in self._host_of.items() if each == host]
        if len(own) > ADDRESSES_OF_HOST:
            del self._host_of[own[0]]
        elif len(self._host_of) > _MOST_KNOWN:
            self._host_of.popitem(last=False)

    def is_to_be_told(self, sender: str) -> bool:
        """True if a line about this address belongs into the log: once a minute, and of few addresses in each."""
        now = self._clock()
        with self._lock:
            self._told_at = {address: at for address, at in self._told_at.items() if now - at < _TOLD_EVERY_S}
            if sender in self._told_at or len(self._told_at) >= _MOST_TOLD:
                return False
            self._told_at[sender] = now
            return True
