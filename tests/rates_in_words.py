"""Words of the docs for rates of the web process."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.web.allowance import Rate

_PERIODS = {60.0: "a minute", 3600.0: "an hour", 86400.0: "a day"}


def told(limit: Sequence[Rate], between: str = " and ") -> str:
    """Puts the rates of a limit into words."""
    return between.join(f"{rate.amount:,} {_PERIODS[rate.seconds]}" for rate in limit)
