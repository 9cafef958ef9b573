"""Removal of keys and tokens from texts that leave a run."""

from __future__ import annotations

import re

# A WireGuard key, and a token of the service: an error may quote an answer of the API.
_SECRET = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=|\bmw[a-z]_[A-Za-z0-9_-]{20,}")
_SECRET_BYTES = re.compile(_SECRET.pattern.encode())
_REMOVED = "[removed]"


def without_secrets(text: str) -> str:
    """Returns a text without keys and tokens."""
    return _SECRET.sub(_REMOVED, text)


def without_secrets_in(line: bytes) -> bytes:
    """Returns a line of JSON without keys and tokens."""
    return _SECRET_BYTES.sub(_REMOVED.encode(), line)
