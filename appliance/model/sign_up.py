"""Modes of signing up a new organization."""

from __future__ import annotations

from enum import Enum


class SignUpMode(str, Enum):
    """Condition for signing up at this service."""

    OPEN = "open"
    VERIFIED = "verified"
    INVITED = "invited"
    CLOSED = "closed"

    @property
    def explanation(self) -> str:
        """Sentence that explains the mode to people."""
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    SignUpMode.OPEN: "Anybody can sign up.",
    SignUpMode.VERIFIED: "Signing up takes a link, which is sent to the e-mail address of the account to be.",
    SignUpMode.INVITED: "Signing up takes an invitation from the operator of this service.",
    SignUpMode.CLOSED: "Nobody can sign up at this service.",
}
