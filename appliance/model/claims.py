"""Published claims about the product, from ``claims.toml``; the gate proves each of them."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Claim(msgspec.Struct, frozen=True):
    """A published sentence; its id is stable."""

    id: str
    sentence: str


class _File(msgspec.Struct, frozen=True):
    claim: tuple[Claim, ...]


# Read at import, because the web process can't read files of the package later.
PUBLISHED = msgspec.toml.decode(Path(__file__).with_name("claims.toml").read_bytes(), type=_File).claim
