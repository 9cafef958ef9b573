"""Rate limits: how often one address, account or organization may try what costs or what can be guessed.

Attempts to log in have several windows, so that who goes on trying waits longer and longer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from appliance.model.addresses import Network
from appliance.model.errors import TooMany

SIGN_UP_PER_ADDRESS = parse_many("20/hour")
LOG_IN_PER_ADDRESS = parse_many("30/minute; 200/hour")
LOG_IN_PER_ACCOUNT = parse_many("5/minute; 15/15minute; 50/day")
WRITES_PER_ORGANIZATION = parse_many("300/minute")
CONFIGURATIONS_PER_ORGANIZATION = parse_many("60/minute")


@dataclass
class RateLimits:
    """Counts in memory, for one web process.

    Attributes:
        trusted: addresses in these ranges have no limit on sign-up and changes; on log-in everybody has.
    """

    trusted: Sequence[Network] = ()
    _window: MovingWindowRateLimiter = field(default_factory=lambda: MovingWindowRateLimiter(MemoryStorage()))

    def is_trusted(self, address: str) -> bool:
        """Whether the operator exempted this address."""
        parsed = _address(address)
        return parsed is not None and any(parsed in network for network in self.trusted)

    def sign_up(self, address: str) -> None:
        """Counts a sign-up; raises `TooMany` where it is one too many."""
        if not self.is_trusted(address):
            self._hit(SIGN_UP_PER_ADDRESS, "sign-up", address)

    def write(self, address: str, organization_id: str) -> None:
        """Counts a change; raises `TooMany` where it is one too many."""
        if not self.is_trusted(address):
            self._hit(WRITES_PER_ORGANIZATION, "write", organization_id)

    def configuration(self, address: str, organization_id: str) -> None:
        """Counts a configuration that is made; raises `TooMany` where it is one too many."""
        if not self.is_trusted(address):
            self._hit(CONFIGURATIONS_PER_ORGANIZATION, "configuration", organization_id)

    def log_in(self, address: str, email: str) -> None:
        """Raises `TooMany` where there were too many failures from this address or for this account.

        A trusted address is no exception: who guesses passwords may sit anywhere.
        """
        self._test(LOG_IN_PER_ACCOUNT, "log-in-account", email.strip().lower())
        self._test(LOG_IN_PER_ADDRESS, "log-in-address", address)

    def log_in_failed(self, address: str, email: str) -> None:
        """Counts a failed attempt against both."""
        for limit in LOG_IN_PER_ACCOUNT:
            self._window.hit(limit, "log-in-account", email.strip().lower())
        for limit in LOG_IN_PER_ADDRESS:
            self._window.hit(limit, "log-in-address", address)

    def _hit(self, limits: Sequence[RateLimitItem], what: str, who: str) -> None:
        self._test(limits, what, who)
        for limit in limits:
            self._window.hit(limit, what, who)

    def _test(self, limits: Sequence[RateLimitItem], what: str, who: str) -> None:
        for limit in limits:
            if not self._window.test(limit, what, who):
                seconds = max(1, math.ceil(self._window.get_window_stats(limit, what, who).reset_time - time.time()))
                raise TooMany(f"Too many tries. Try again in {seconds} seconds.", retry_after=seconds)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed
