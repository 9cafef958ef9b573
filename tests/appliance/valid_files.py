"""Rules of systems and apps for the name of a tunnel's file, from their documentation."""

from __future__ import annotations

import re

# wg-quick(8), and the app for Android (`Tunnel.NAME_PATTERN`).
_WG_QUICK = re.compile(r"[a-zA-Z0-9_=+.-]{1,15}")
# The app for Windows (`conf/name.go`), and Windows itself, which compares the part before the first dot.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
# systemd (`ifname_valid`): the last two are settings of Linux beside those of links.
_NO_LINKS = {".", "..", "lo", "all", "default"}


def is_valid(name: str) -> bool:
    """Tells if a tunnel can have this name on every system."""
    return (
        _WG_QUICK.fullmatch(name) is not None
        and name.partition(".")[0].lower() not in _DEVICES
        and name.lower() not in _NO_LINKS
        and not name.startswith(("-", "."))
        and not name.endswith(".")
        and re.search(r"[a-zA-Z]", name) is not None
    )


def check(name: str) -> None:
    """Asserts that a tunnel can have this name on every system."""
    assert is_valid(name), name
