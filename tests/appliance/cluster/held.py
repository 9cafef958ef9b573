"""Times at which hosts had an address, as their kernels told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from math import inf

from netlab import LabHost, Process

Times = Sequence[tuple[float, float]]
"""Begin and end of each time, in seconds since the epoch, in order."""

_TOLD = re.compile(r"^\[(\S+)\] (Deleted )?\d+: .* inet6? ([^ /]+)/", re.MULTILINE)


def watch(host: LabHost, interface: str) -> Process:
    """Has a host write down when addresses come to a link and go, for `held`."""
    return host.start("ip", "-tshort", "monitor", "address", "dev", interface, log="addresses")


def held(log: str, address: str) -> Times:
    """Reads what a host wrote down: when it had an address. One that it has still never ends."""
    times, began = list[tuple[float, float]](), inf
    for at, deleted, found in _TOLD.findall(log):
        if found != address:
            continue
        moment = datetime.fromisoformat(at).timestamp()
        if deleted:
            times.append((began, moment))
            began = inf
        else:
            began = min(began, moment)
    return [*times, (began, inf)] if began < inf else times
