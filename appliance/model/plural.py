"""Counts with the fitting form of their noun."""

from __future__ import annotations


def plural(count: int, one: str, many: str = "") -> str:
    """Choose the form of a noun or verb that fits a count.

    Args:
        one: singular.
        many: plural; the singular with an "s" if it is not given.
    """
    return one if count == 1 else many or f"{one}s"


def counted(count: int, one: str, many: str = "") -> str:
    """Format a count with its noun: ``1 rule``, ``2 rules``; the arguments are those of `plural`."""
    return f"{count} {plural(count, one, many)}"
