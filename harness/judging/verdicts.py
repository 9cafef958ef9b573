"""Exceptions that end a scenario: its claim is refuted, or it shows nothing."""

from __future__ import annotations


class Refuted(AssertionError):
    """The claim is false: this was measured against it."""


class Inconclusive(Exception):
    """Nothing was shown either way: a control did not hold, or the lab itself failed."""
