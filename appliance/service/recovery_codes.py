"""Recovery codes: for who has lost the second factor. Random, shown once, stored hashed, good once each."""

from __future__ import annotations

import hashlib

from appliance.model.ids import new_id

COUNT = 10
_GROUPS, _GROUP = 4, 4


def new_codes() -> list[str]:
    """Ten codes of 76 bits, in groups that people can copy."""
    return ["-".join(new_id(_GROUP) for _ in range(_GROUPS)) for _ in range(COUNT)]


def hash_of(member_id: str, code: str) -> str:
    """What the store keeps, however the code was typed. A fast hash is right for what nobody can guess."""
    plain = "".join(letter for letter in code.lower() if letter.isalnum())
    return hashlib.sha256(f"recovery\0{member_id}\0{plain}".encode()).hexdigest()
