"""Use cases of the appliance, independent of the web pages, the API and the command line that call them.

Each function takes a `Context` and the `Actor` that calls it. It succeeds as a whole, or raises
`appliance.model.errors.Refused` and changes nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from appliance.service.actor import Actor
    from appliance.service.context import Context

__all__ = ["Actor", "Context"]


def __getattr__(name: str) -> Any:
    """Load context and actor when they are asked for: a census needs neither, and starts faster without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{name.lower()}"), name)
