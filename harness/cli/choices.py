"""Values that options of several commands take."""

from __future__ import annotations

from collections.abc import Sequence

PROFILES = ("quick", "full", "soak")
"""Profiles of the gate."""
WIREGUARD = ("auto", "kernel", "wireguard-go", "boringtun")
"""WireGuard implementations of the lab's own service."""


def in_words(choices: Sequence[str]) -> str:
    """Returns the choices as a person lists them: `a, b or c`."""
    return f"{', '.join(choices[:-1])} or {choices[-1]}"
