"""WireGuard hub for several organizations: accounts, machines, policies, and the data plane that enforces them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("meshwg")
except PackageNotFoundError:  # a checkout that was never set up
    __version__ = "0+unknown"
