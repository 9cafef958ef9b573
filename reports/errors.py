"""Reasons why a transcript can't be signed or verified."""

from __future__ import annotations


class AttestationError(Exception):
    """An attestation or a key is not valid; the message is one sentence with the reason."""


class Unreadable(AttestationError):
    """A file is missing or can't be read; the message is one sentence with the reason."""


class NotKept(AttestationError):
    """A key can't be written; the message is one sentence with the reason."""
