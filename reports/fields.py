"""Types of fields that several parts of a transcript have."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

MOST_WORDS = 240
"""Most characters of a text."""

Count = Annotated[int, Meta(ge=0)]
Words = Annotated[str, Meta(max_length=MOST_WORDS)]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
"""SHA-256 in hexadecimal."""
