"""Parts of pyroute2, loaded one by one at their first use.

Its package loads all parts at once, most of which the kernel's WireGuard does not need.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from threading import Lock
from typing import Any

_LIBRARY = "pyroute2"
_loading = Lock()


def wireguard() -> Any:
    """Open a `WireGuard`, for links in the calling thread's namespace."""
    return _part("netlink.generic.wireguard", "WireGuard")()


@cache
def _part(module: str, name: str) -> Any:
    with _loading, _bare_package():
        return getattr(import_module(f"{_LIBRARY}.{module}"), name)


@contextmanager
def _bare_package() -> Iterator[None]:
    """Have modules of the library loaded without all others, unless those are loaded already."""
    if _LIBRARY in sys.modules:
        yield
        return
    spec = find_spec(_LIBRARY)
    assert spec is not None
    sys.modules[_LIBRARY] = module_from_spec(spec)
    try:
        yield
    finally:
        del sys.modules[_LIBRARY]


NetlinkError = _part("netlink.exceptions", "NetlinkError")
"""Refusal of the kernel."""
