"""E-mails to people."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Letter:
    """An e-mail to one person.

    Attributes:
        subject: one line.
        text: plain text, never logged, because most letters contain a link that works like a password.
    """

    recipient: str
    subject: str
    text: str = field(repr=False)
