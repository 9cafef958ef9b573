"""Error of replays."""

from __future__ import annotations


class Unreplayable(Exception):
    """A namespace can't be rebuilt here, or tells nothing."""
