"""Remaining lifetime of a session in the front door, read by the tools of the hub's host."""

from __future__ import annotations

import re

from harness.judging.verdicts import Inconclusive
from netlab import Host

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def session_lease_s(hub: Host, session: bytes) -> float:
    """Returns the seconds until the front door forgets a session.

    Args:
        hub: the host that the hub runs on.
        session: WireGuard index that the hub chose for the session.

    Raises:
        Inconclusive: the front door has no such session.
    """
    tables = [line.split()[-1] for line in hub.run("nft", "list", "tables").stdout.splitlines()]
    for table in tables:
        text = hub.run("nft", "list", "map", "inet", table, "sessions", check=False).stdout
        lease = lease_in(text, session)
        if lease is not None:
            return lease
    raise Inconclusive(f"none of the tables {tables} of the hub's host has a session with this index")


def lease_in(listed: str, session: bytes) -> float | None:
    """Parses nft(8)'s listing of the map of sessions.

    Returns:
        The seconds until the session's entry expires; None if there is no such entry.
    """
    number = hex(int.from_bytes(session, "big"))
    found = re.search(rf"{number} (?:timeout \w+ )?expires (\w+)", listed)
    if found is None:
        return None
    return sum(int(count) * _UNITS[unit] for count, unit in re.findall(r"(\d+)(ms|d|h|m|s)", found[1]))
