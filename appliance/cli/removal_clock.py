"""The time for removals that can't be undone, for as long as the supervisor runs.

A web process that is started again, for instance because the clock made the certificate look old, would believe the
wall clock as it is then. So its supervisor tells it which one to believe.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from appliance.host.clocks import Unhurried

_VARIABLE = "MESHWG_CLOCK_OFFSET"


def environment(clock: Unhurried) -> dict[str, str]:
    """Make the variable that tells a process what the supervisor's clock believes now."""
    return {_VARIABLE: repr(clock.believed)}


def told(variables: Mapping[str, str] = os.environ) -> float | None:
    """Find what the supervisor's clock believed, in seconds (`Unhurried`); None in a process without a supervisor."""
    value = variables.get(_VARIABLE)
    return None if value is None else float(value)
