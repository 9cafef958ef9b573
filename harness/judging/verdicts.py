"""Exceptions that end a scenario: its claim is refuted, or it shows nothing."""

from __future__ import annotations


class Refuted(AssertionError):
    """A measurement contradicts the claim; the message says what was measured."""


class Inconclusive(Exception):
    """The scenario shows nothing: a control failed, or the lab did, or the subject lacks something."""
