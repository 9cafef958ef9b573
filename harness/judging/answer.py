"""An answer of the service with its two times, which verdicts on policy changes are reckoned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """An answer, and when it was asked for and received.

    Attributes:
        requested_ns, answered_ns: on the monotonic clock; before the first byte went out, after the last came in.
        headers: by name, in any case.
    """

    status: int
    body: Any
    requested_ns: int
    answered_ns: int
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """From request to answer."""
        return (self.answered_ns - self.requested_ns) / 1e9
