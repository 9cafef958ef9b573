"""The callers that may sign an organization up."""

from __future__ import annotations

from enum import Enum


class SignUpMode(str, Enum):
    """What a sign-up takes at this service."""

    OPEN = "open"
    VERIFIED = "verified"
    INVITED = "invited"
    CLOSED = "closed"

    @property
    def told(self) -> str:
        """One sentence for people."""
        return _TOLD[self]


_TOLD = {
    SignUpMode.OPEN: "Anybody can sign up.",
    SignUpMode.VERIFIED: "Signing up takes a link, which is sent to the e-mail address of the account to be.",
    SignUpMode.INVITED: "Signing up takes an invitation from the operator of this service.",
    SignUpMode.CLOSED: "Nobody can sign up at this service.",
}
