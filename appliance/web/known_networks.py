"""Networks from which accounts were opened before, in bounded memory."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict

from appliance.model import emails
from appliance.web.proxies import neighbourhood

_MOST_OF_ONE = 8


class KnownNetworks:
    """The last few networks of each account; thread-safe.

    One account can't displace the networks of others, as many as it may have been opened from.

    Args:
        most_accounts: most accounts that are remembered; beyond, the one that was opened longest ago is forgotten.
    """

    def __init__(self, most_accounts: int) -> None:
        self._most_accounts = most_accounts
        self._of: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        self._accounts_at: Counter[str] = Counter()
        self._lock = threading.Lock()

    def has(self, address: str, account: str | None = None) -> bool:
        """True if this account was opened from this address before.

        Args:
            account: None for any account.
        """
        source = neighbourhood(address)
        return source in (self._accounts_at if account is None else self._of.get(emails.canonical(account), ()))

    def add(self, address: str, account: str) -> None:
        """Remember that an account was opened from an address."""
        source, key = neighbourhood(address), emails.canonical(account)
        with self._lock:
            sources = self._of.setdefault(key, OrderedDict())
            self._of.move_to_end(key)
            if source not in sources:
                self._accounts_at[source] += 1
            sources[source] = None
            sources.move_to_end(source)
            if len(sources) > _MOST_OF_ONE:
                self._forget(sources.popitem(last=False)[0])
            if len(self._of) > self._most_accounts:
                for each in self._of.popitem(last=False)[1]:
                    self._forget(each)

    def _forget(self, source: str) -> None:
        self._accounts_at[source] -= 1
        if not self._accounts_at[source]:
            del self._accounts_at[source]
