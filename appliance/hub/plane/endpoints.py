"""Selection of the endpoints of machines that are remembered."""

from __future__ import annotations

from collections.abc import Collection, Mapping

_MOST_DISABLED = 1_000
"""Largest number of one organization's disabled machines whose endpoints are remembered."""


def to_remember(endpoints: Mapping[str, str], enabled: Collection[str]) -> dict[str, str]:
    """Select the endpoints of enabled machines, and the latest of others, which may be disabled.

    The others include keys that no machine has any more, with which rotations would fill the memory.

    Args:
        endpoints: ``address:port`` by public key.
        enabled: public keys.
    """
    others = [key for key in endpoints if key not in enabled]
    forgotten = set(others[:-_MOST_DISABLED])
    return {key: where for key, where in endpoints.items() if key not in forgotten}
