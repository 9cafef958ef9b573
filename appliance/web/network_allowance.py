"""Rate limits for networks of addresses and for all addresses together, beside single addresses."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from appliance.web import proxies
from appliance.web.allowance import Allowance, Rate

EVERYBODY = "everybody"
"""Name of the level of all addresses together."""

LEVELS = ("address", "/56", "/48")
"""Names of the levels of networks, as `proxies.networks_of` lists them."""
# Many customers have a /56 or a /48, and few of them use all of it at once.
_FACTORS = (1, 2, 4)


@dataclass(frozen=True)
class NetworkRates:
    """Rates for each level.

    Attributes:
        one: for an IPv4 address or an IPv6 /64; a /56 has twice the amount, a /48 four times.
        everybody: for all addresses together.
    """

    one: tuple[Rate, ...]
    everybody: tuple[Rate, ...]


@dataclass(frozen=True)
class Wait:
    """Refusal because an allowance is used up.

    Attributes:
        seconds: time until one unit is available.
        level: the level whose amount is used up: ``address``, ``/56``, ``/48`` or `EVERYBODY`.
        network: the network that has used it up.
    """

    seconds: float
    level: str
    network: str


class NetworkAllowance:
    """Rate limiter by address, by the networks around it, and for all addresses together.

    The widest network is counted first. So a refused network takes no memory for its addresses, and the rate for all
    addresses limits the memory for all networks.

    Args:
        rates: the rates.
        clock: monotonic time in seconds.
    """

    def __init__(self, rates: NetworkRates, clock: Callable[[], float] = time.monotonic) -> None:
        self._levels = [Allowance(*(rate.times(factor) for rate in rates.one), clock=clock) for factor in _FACTORS]
        self._everybody = Allowance(*rates.everybody, clock=clock)

    def __len__(self) -> int:
        """Number of remembered addresses and networks."""
        return sum(map(len, self._levels))

    def take(self, address: str, *, as_everybody: bool = True) -> Wait | None:
        """Take one unit and return None, or take none and return the wait.

        Args:
            address: the caller's.
            as_everybody: True to count it among all addresses too; False for known callers, so that strangers can't
                use up their amount.
        """
        taken: list[tuple[Allowance, str]] = []
        for level, allowance, who in self._asked(address, as_everybody=as_everybody):
            seconds = allowance.take(who)
            if seconds:
                for each, whose in taken:
                    each.give_back(whose)
                return Wait(seconds, level, who)
            taken.append((allowance, who))
        return None

    def give_back(self, address: str, *, as_everybody: bool = True) -> None:
        """Return the unit that was taken last."""
        for _, allowance, who in self._asked(address, as_everybody=as_everybody):
            allowance.give_back(who)

    def _asked(self, address: str, *, as_everybody: bool) -> list[tuple[str, Allowance, str]]:
        found = list(zip(LEVELS, self._levels, proxies.networks_of(address), strict=False))
        found.reverse()
        return [*found, (EVERYBODY, self._everybody, EVERYBODY)] if as_everybody else found
