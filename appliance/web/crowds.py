"""How often many addresses together may do something, beside each of them alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from appliance.web import proxies
from appliance.web.allowance import Allowance, Rate

EVERYBODY = "everybody"
"""The level of all addresses together."""

_LEVELS = ("address", "/56", "/48")
# Many customers have a /56 or a /48, and few of them have use for all of it at once.
_FACTORS = (1, 2, 4)


@dataclass(frozen=True)
class Shares:
    """Rates for each level.

    Attributes:
        one: of an IPv4 address or an IPv6 /64. A /56 has twice as much, a /48 four times.
        everybody: of all addresses together.
    """

    one: tuple[Rate, ...]
    everybody: tuple[Rate, ...]


@dataclass(frozen=True)
class Wait:
    """Why one was not taken.

    Attributes:
        seconds: until there is one.
        level: where there was none: ``address``, ``/56``, ``/48`` or `EVERYBODY`.
        network: the part of the internet that has used it up.
    """

    seconds: float
    level: str
    network: str


class Crowd:
    """Counts by address, by the networks that the address is in, and altogether.

    The widest network is asked first, so that a network which is refused as a whole adds nothing to what is
    remembered, however many addresses it has; what everybody may do bounds that for all networks.

    Args:
        shares: the rates.
        clock: seconds that only grow.
    """

    def __init__(self, shares: Shares, clock: Callable[[], float] = time.monotonic) -> None:
        self._levels = [Allowance(*(rate.times(factor) for rate in shares.one), clock=clock) for factor in _FACTORS]
        self._everybody = Allowance(*shares.everybody, clock=clock)

    def __len__(self) -> int:
        """How many addresses and networks are remembered."""
        return sum(map(len, self._levels))

    def take(self, address: str, *, as_everybody: bool = True) -> Wait | None:
        """Takes one and gives None, or takes none and tells why.

        Args:
            address: the caller's.
            as_everybody: whether it counts among all addresses; a caller that is known is not shut out with strangers.
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
        """Has what was taken last not count after all."""
        for _, allowance, who in self._asked(address, as_everybody=as_everybody):
            allowance.give_back(who)

    def _asked(self, address: str, *, as_everybody: bool) -> list[tuple[str, Allowance, str]]:
        found = list(zip(_LEVELS, self._levels, proxies.networks_of(address), strict=False))
        found.reverse()
        return [*found, (EVERYBODY, self._everybody, EVERYBODY)] if as_everybody else found
