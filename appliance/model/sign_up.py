"""Modes of signing up a new organization."""

from __future__ import annotations

from enum import Enum

from appliance.model.sentences import Sentence, sentence


class SignUpMode(str, Enum):
    """Condition for signing up at this service."""

    OPEN = "open"
    VERIFIED = "verified"
    INVITED = "invited"
    CLOSED = "closed"

    @property
    def explanation(self) -> Sentence:
        """Sentence that explains the mode to people."""
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    SignUpMode.OPEN: sentence("Anybody can sign up."),
    SignUpMode.VERIFIED: sentence(
        "Signing up takes a sign-up link, which is sent to the e-mail address of the account to be."
    ),
    SignUpMode.INVITED: sentence("Signing up takes a sign-up link from the operator of this service."),
    SignUpMode.CLOSED: sentence("Nobody can sign up at this service."),
}
