"""An answer of the service, with the two times from which verdicts on policy changes are counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """An answer to a request.

    Attributes:
        status: HTTP status.
        body: parsed JSON, or text.
        requested_ns: time before the first byte was sent, on the monotonic clock.
        answered_ns: time after the last byte arrived, on the monotonic clock.
        headers: headers by name; upper and lower case are equal.
    """

    status: int
    body: Any
    requested_ns: int
    answered_ns: int
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Time from request to answer."""
        return (self.answered_ns - self.requested_ns) / 1e9
