"""What is written to people by e-mail."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Letter:
    """One e-mail to one person.

    Attributes:
        subject: one line.
        text: plain text; as a rule it has a link in it that is as good as a password, so it is never shown or logged.
    """

    recipient: str
    subject: str
    text: str = field(repr=False)
