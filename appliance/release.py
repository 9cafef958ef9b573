"""The version that runs."""

from __future__ import annotations

from functools import cache


@cache
def version() -> str:
    """Version of the installed package; ``0+unknown`` in a checkout that was never set up."""
    # Loaded for those who ask: it takes as long as a bare Python's start, and every command would wait for it.
    from importlib import metadata

    try:
        return metadata.version("meshwg")
    except metadata.PackageNotFoundError:
        return "0+unknown"
