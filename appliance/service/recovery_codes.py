"""Recovery codes for a lost second factor: random, shown once, stored as hashes, valid once each."""

from __future__ import annotations

import hashlib

from appliance.model.ids import new_id

COUNT = 10
_GROUPS, _GROUP = 4, 4


def new_codes() -> list[str]:
    """Make ten codes of 76 bits, in groups that people can copy."""
    return ["-".join(new_id(_GROUP) for _ in range(_GROUPS)) for _ in range(COUNT)]


def hash_of(member_id: str, code: str) -> str:
    """Hash a code for the store, ignoring case and separators; a fast hash suffices for a random code."""
    plain = "".join(letter for letter in code.lower() if letter.isalnum())
    return hashlib.sha256(f"recovery\0{member_id}\0{plain}".encode()).hexdigest()
